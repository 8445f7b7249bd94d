"""Agreement: before step 1, the ranks compare what must be the same on all of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from lambda_fast import native, overrides
from lambda_fast.errors import UserError
from lambda_fast.inputter import Inputter
from lambda_fast.machine import versions

# Each rank's own business.
_FREE = ("model_dir=", "inputter.data_dir=", "inputter.threads=", "inputter.cache")


class AgreementError(UserError, RuntimeError):
    """The ranks are not of one run."""


def facts(modeler: Any, inputter: Inputter) -> dict[str, str]:
    """What must be the same on all ranks, by name."""
    recipe = [line for line in overrides.lines(modeler.config) if not line.startswith(_FREE)]
    variables = "\n".join(
        f"{name} {tuple(variable.shape)} {variable.dtype}"
        for name, variable in modeler.variables().items()
    )
    return {
        **dict(line.split("=", 1) for line in recipe),
        **{f"version of {name}": str(value) for name, value in versions().items()},
        "variables": hashlib.sha256(variables.encode()).hexdigest()[:16],
        "images": str(inputter.samples),
        "classes": ", ".join(inputter.class_names),
        "image shape": str(tuple(inputter.image_shape)),
        **{name: str(value) for name, value in inputter.facts.items()},
    }


def agree(own: dict[str, str], rank: int, ranks: int) -> None:
    """Compares the facts of all ranks. All ranks must call it.

    Raises:
        AgreementError: names the first field that differs, its values and ranks, on all ranks.
    """
    everyone = [from_rank(root, own if rank == root else None) for root in range(ranks)]
    for name in dict.fromkeys(name for each in everyone for name in each):
        values: dict[str, list[int]] = {}
        for number, each in enumerate(everyone):
            values.setdefault(each.get(name, "none"), []).append(number)
        if len(values) > 1:
            found = "; ".join(
                f"{value!r} on rank {', '.join(map(str, members))}"
                for value, members in values.items()
            )
            raise AgreementError(
                f"[agreement] expected the same {name} on all ranks, found {found}. Start all "
                "ranks with the same command, packages and data"
            )


def from_rank(root: int, value: dict[str, Any] | None) -> dict[str, Any]:
    """What the root tells, on every rank: values that JSON has. All ranks must call it."""
    core = native.core()
    content = np.frombuffer(json.dumps(value or {}).encode(), np.uint8).copy()
    size = np.array([len(content)], np.int64)
    core.broadcast([size], root)
    if value is None:
        content = np.zeros(int(size[0]), np.uint8)
    core.broadcast([content], root)
    return json.loads(content.tobytes())
