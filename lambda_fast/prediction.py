"""Prediction: what a network says one image shows, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TOP = 5  # classes told of each image


@dataclass(frozen=True)
class Prediction:
    """What one image shows.

    Attributes:
        path: of the image.
        classes: (name, label, probability) of the most likely classes, the best first.
    """

    path: str
    classes: tuple[tuple[str, int, float], ...]


def best_of(path: str, probabilities: np.ndarray, names: Sequence[str]) -> Prediction:
    """The likeliest classes of an image, from its float32 [classes]."""
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    return Prediction(path, tuple((names[i], int(i), float(probabilities[i])) for i in best))


def table(prediction: Prediction) -> str:
    """The lines of one image: its path, then a class a line, in columns."""
    from rich.cells import cell_len

    width = max(cell_len(name) for name, _, _ in prediction.classes)
    lines = [
        f"  {name}{' ' * (width - cell_len(name))}  {probability:7.2%}"
        for name, _, probability in prediction.classes
    ]
    return "\n".join([prediction.path, *lines]).encode(errors="replace").decode()


def as_json(predictions: Sequence[Prediction]) -> str:
    """A list of `path` and `classes`, each with `name`, `label` and `probability`."""
    keys = ("name", "label", "probability")
    entries = [
        {"path": one.path, "classes": [dict(zip(keys, c, strict=True)) for c in one.classes]}
        for one in predictions
    ]
    return json.dumps(entries, indent=2)
