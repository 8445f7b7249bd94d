"""Whether a checkpoint fits a run: its variables, its facts and its classes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lambda_fast.checkpoint import CheckpointError


def check_fits(path: Path, found: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuses values that are not exactly those of the given variables.

    Args:
        path: of the checkpoint, for the message.
        found: arrays by name.
        shapes: of the variables by name.

    Raises:
        CheckpointError: names the first variable that is missing, unknown or of another shape.
    """
    for name in [*shapes, *found]:
        expected = list(shapes[name]) if name in shapes else "no such variable"
        there = list(found[name].shape) if name in found else "none"
        if expected != there:
            raise CheckpointError(
                f"[checkpoint] expected {name} of shape {expected} for this network, found {there} "
                f"in {path}. It belongs to another network: use its recipe, or another model_dir"
            )


def check_facts(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuses a checkpoint whose run cannot be continued by this one.

    A fact that a checkpoint of an earlier version does not tell is not compared.

    Raises:
        CheckpointError: names the first fact that differs.
    """
    for name, value in expected.items():
        if found.get(name, value) != value:
            raise CheckpointError(
                f"[checkpoint] expected a run with {name} = {value!r}, found {found[name]!r} "
                f"in {path}. Set it to {found[name]!r} to continue that run, or choose another "
                "model_dir to start a new one"
            )


def check_class_names(path: Path, facts: Mapping[str, Any], expected: Sequence[str]) -> None:
    """Refuses a checkpoint that has learned other classes, or the same in another order.

    Numbers are no names: where either side has only them, nothing is compared. Nor is it with a
    checkpoint of a version that did not store them; the network's shape tells how many there are.

    Raises:
        CheckpointError: names the first class that differs.
    """
    found = facts.get("class_names")
    if found is None or _numbered(found) or _numbered(expected) or list(found) == list(expected):
        return
    pairs = enumerate(itertools.zip_longest(expected, found, fillvalue="none"))
    label, (here, there) = next(entry for entry in pairs if entry[1][0] != entry[1][1])
    raise CheckpointError(
        f"[checkpoint] expected class {label} to be {here!r} as in the data set, found {there!r} "
        f"in {path}. Use the classes that it has learned, or another model_dir"
    )


def _numbered(names: Sequence[str]) -> bool:
    return list(names) == [str(label) for label in range(len(names))]
