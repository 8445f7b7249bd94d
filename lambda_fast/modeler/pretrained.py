"""Pretrained weights: which variables of a network a file sets, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.patterns import matching, told
from lambda_fast.modeler.weights_file import Layer, PretrainedError, Weights, read
from lambda_fast.network import keras_application


@dataclass(frozen=True)
class Restored:
    """What became of a network's variables.

    Attributes:
        source: where the values came from.
        restored: names of variables that have been set.
        skipped: of those that a pattern left at their first values.
        absent: of those that the source does not have; they keep their first values, too.
        unused: of what the source has besides.
        notes: how the run that wrote it was not like this one.
    """

    source: str
    restored: list[str]
    skipped: list[str]
    absent: list[str]
    unused: list[str]
    notes: list[str]

    def lines(self) -> Iterator[str]:
        """What a run prints."""
        yield f"Restored {told(self.restored)} from {self.source}"
        if self.skipped:
            yield f"Skipped {told(self.skipped)}: at first values, as skip_pretrained_var says"
        if self.absent:
            yield f"Not there: {told(self.absent)}: at first values"
        if self.unused:
            yield f"Not used: {told(self.unused)}"
        yield from self.notes


def weights_of(config: ModelerConfig, model: keras.Model, say: Callable[[str], None]) -> Weights:
    """What `modeler.pretrained_model` names, for a model; `say` is told what is passed over.

    Raises:
        UserError: it cannot be had.
    """
    if config.pretrained_model != "imagenet":
        return read(config.pretrained_model, say)
    layers: dict[str, Layer] = {}
    trained = keras_application.trained_on_imagenet(config.network, model.input_shape[1:])
    for variable in trained.variables:
        layer, _, leaf = variable.path.rpartition("/")
        layers.setdefault(layer, {})[leaf] = np.asarray(variable)
    return Weights("keras.applications", layers)


def restore(
    model: keras.Model,
    weights: Weights,
    skip: Sequence[str],
    frozen: Iterable[keras.Variable],
    here: Mapping[str, Any],
) -> Restored:
    """Sets a network's variables by the names of their layers: all that fit, or none.

    A variable takes the array of its own name in its layer; where the file knows none of that name
    (a number, or what an older Keras called it) and as many arrays as the layer has variables, the
    one at its place.

    Args:
        model: the network.
        weights: what a file holds.
        skip: patterns of variables that stay as they are.
        frozen: variables that will not learn.
        here: facts of this run that matter to the weights; others of the run that wrote them, where
            it says so, are noted.

    Raises:
        ConfigError: a pattern matches nothing.
        PretrainedError: an array has another shape, or nothing fits, or a frozen variable would
            stay at random values for good.
    """
    variables = [v for v in model.variables if tf.as_dtype(v.dtype).is_floating]
    names = [variable.path for variable in variables]
    skipped = matching(skip, names, "modeler.skip_pretrained_var")
    found = _found(weights.layers, variables)
    chosen = {name: where for name, where in found.items() if name not in skipped}
    values = {name: weights.layers[layer][key] for name, (layer, key) in chosen.items()}
    _check(weights, variables, values)
    absent = [name for name in names if name not in skipped and name not in values]
    left = {variable.path for variable in frozen} & set(absent)
    if left:
        raise PretrainedError(
            f"[pretrained] expected values for all frozen variables in {weights.source}, found "
            f"none for {told(sorted(left))}. Let them learn, or name them in "
            "modeler.skip_pretrained_var to freeze them at random values"
        )
    for variable in variables:
        if variable.path in values:
            variable.assign(values[variable.path])
    there = [(layer, key) for layer, arrays in weights.layers.items() for key in arrays]
    used = set(chosen.values())
    unused = [f"{layer}/{key}" for layer, key in there if (layer, key) not in used]
    notes = [
        f"Not as where these weights learned: {name} is {value}, was {weights.facts[name]}"
        for name, value in here.items()
        if weights.facts.get(name, value) != value
    ]
    return Restored(weights.source, list(values), sorted(skipped), absent, unused, notes)


def _found(
    layers: dict[str, Layer], variables: Sequence[keras.Variable]
) -> dict[str, tuple[str, str]]:
    """The layer and the name in it of each variable's array, by variable; of those that are there.

    Whether they are skipped or not: an array's place counts its neighbours.
    """
    together: dict[str, list[keras.Variable]] = {}
    for variable in variables:
        together.setdefault(variable.path.rpartition("/")[0], []).append(variable)
    found = {}
    for layer, own in together.items():
        name = _name_there(layer, layers)
        for index, variable in enumerate(own if name is not None else []):
            key = _key(variable, index, own, layers[name])
            if key is not None:
                found[variable.path] = name, key
    return found


def _name_there(layer: str, there: dict[str, Layer]) -> str | None:
    """What a file calls a layer: the same, or the same without the networks around it."""
    while layer and layer not in there:
        layer = layer.partition("/")[2]
    return layer or None


def _key(
    variable: keras.Variable, index: int, own: Sequence[keras.Variable], arrays: Layer
) -> str | None:
    if variable.name in arrays:
        return variable.name
    known = {each.name for each in own} & set(arrays)
    if known or len(arrays) != len(own):
        return None
    return str(index) if str(index) in arrays else list(arrays)[index]


def _check(
    weights: Weights, variables: Sequence[keras.Variable], values: dict[str, np.ndarray]
) -> None:
    for variable in variables:
        value = values.get(variable.path)
        if value is None:
            continue
        if value.dtype.kind != "f" or value.shape != tuple(variable.shape):
            raise PretrainedError(
                f"[pretrained] expected {variable.path} as floats of shape {list(variable.shape)}, "
                f"found {value.dtype} of shape {list(value.shape)} in {weights.source}. Choose the "
                f"network that it was saved from, or leave the variable at its first values with "
                f"--set modeler.skip_pretrained_var={variable.path.rpartition('/')[0]}/*"
            )
    if not values:
        here, there = told([v.path for v in variables]), told(list(weights.layers))
        raise PretrainedError(
            f"[pretrained] expected weights of this network ({here}), found none in "
            f"{weights.source}, which has {there}. Choose the network that it was saved from"
        )
