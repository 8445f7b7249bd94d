"""The running means of weights and statistics, as a network of their own."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf


class Averages:
    """Exponential moving averages (Polyak and Juditsky, 1992).

    After update n, counted from 0, each mean m of a variable v becomes `m + rest * (v - m)` with
    `rest = max(1 - decay, 9 / (n + 9))`: at first the variable itself, then a mean over more and
    more updates. The statistics of normalisation layers are averaged like weights.

    Args:
        model: the network that learns.
        twin: another one of the same make, whose variables become the means.
        decay: share that a mean keeps in the long run.

    Attributes:
        model: the twin: the network to evaluate.
    """

    def __init__(self, model: keras.Model, twin: keras.Model, decay: float) -> None:
        self.model = twin
        self._decay = decay
        self._pairs = [
            (mean, variable)
            for mean, variable in zip(twin.variables, model.variables, strict=True)
            if tf.as_dtype(variable.dtype).is_floating  # not the state of a random generator
        ]
        self.start()

    def start(self) -> None:
        """Makes the means what the variables are now."""
        for mean, variable in self._pairs:
            mean.assign(variable.value)

    def follow(self, updates: tf.Tensor) -> None:
        """Moves the means towards the variables.

        Args:
            updates: int64 scalar, done before the one that has just moved the variables.
        """
        rest = tf.maximum(1.0 - self._decay, 9.0 / (tf.cast(updates, tf.float32) + 9.0))
        for mean, variable in self._pairs:
            mean.assign(mean.value + rest * (variable.value - mean.value))

    def variables(self) -> dict[str, keras.Variable]:
        """The means as a checkpoint names them: after the variables that they are of."""
        return {f"ema/{variable.path}": mean for mean, variable in self._pairs}


def to_evaluate(values: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], bool]:
    """The network's values in a checkpoint, with the means in their places where it has them.

    Args:
        values: arrays by the checkpoint's names.

    Returns:
        Arrays by `model/...`, and whether there are means.
    """
    model = {name: value for name, value in values.items() if name.startswith("model/")}
    means = {
        f"model/{name.removeprefix('ema/')}": value
        for name, value in values.items()
        if name.startswith("ema/")
    }
    return model | means, bool(means)
