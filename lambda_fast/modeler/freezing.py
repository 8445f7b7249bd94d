"""Freezing: which variables of a network learn, and which stay as they are in every way."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import tensorflow as tf

from lambda_fast.config import ConfigError, ModelerConfig
from lambda_fast.modeler.patterns import matching


@dataclass(frozen=True)
class Split:
    """A network's variables, by what a step does to them.

    Attributes:
        learning: moved by the optimizer.
        moving: moved by their layers: statistics of normalisation, states of random generators.
        frozen: left alone.
    """

    learning: list[keras.Variable]
    moving: list[keras.Variable]
    frozen: list[keras.Variable]


def freeze(model: keras.Model, config: ModelerConfig) -> Split:
    """Freezes what `trainable_vars` leaves out and what `skip_trainable_vars` names.

    A layer none of whose weights learns is frozen as a whole: its normalisation takes the
    statistics that it has, and leaves them.

    Args:
        model: freshly made; its layers and variables are marked.
        config: holds the patterns.

    Raises:
        ConfigError: a pattern matches nothing, or nothing is left to learn.
    """
    names = [variable.path for variable in model.variables]
    chosen = set(names)
    if config.trainable_vars:
        chosen = matching(config.trainable_vars, names, "modeler.trainable_vars")
    chosen -= matching(config.skip_trainable_vars, names, "modeler.skip_trainable_vars")
    weights = {id(variable) for variable in model.trainable_variables}
    learning = {id(v) for v in model.trainable_variables if v.path in chosen}
    if not learning:
        raise ConfigError(
            "[config] expected modeler.trainable_vars and modeler.skip_trainable_vars to leave "
            f"weights to learn, found all {len(weights)} frozen"
        )
    frozen = weights - learning
    for layer in model._flatten_layers():
        floats = [v for v in layer.variables if tf.as_dtype(v.dtype).is_floating]
        inside = [v for v in floats if id(v) in weights]
        # What the network itself keeps from learning does not move either.
        stays = not layer.trainable or not any(v.path in chosen for v in inside or floats)
        if floats and stays:
            layer.trainable = False
            frozen.update(map(id, floats))
    split = Split([], [], [])
    for variable in model.variables:
        if id(variable) in learning:
            split.learning.append(variable)
        elif id(variable) in frozen:
            variable.trainable = False
            split.frozen.append(variable)
        else:
            split.moving.append(variable)
    return split
