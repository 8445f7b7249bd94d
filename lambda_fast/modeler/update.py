"""The update of a step: from gradients to new variables."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.averages import Averages
from lambda_fast.modeler.clipping import clipped
from lambda_fast.modeler.optimizers import decays_by_itself, optimizer_of
from lambda_fast.modeler.weight_decay import decaying_of, with_l2


class Update:
    """Clips, adds L2, lets the optimizer move the variables, and moves their means after them.

    Args:
        config: says how.
        model: the network.
        learning: its variables that are moved.
        averages: running means that follow; none with `modeler.ema=0`.

    Attributes:
        optimizer: the Keras optimizer; its `iterations` counts the updates.
    """

    def __init__(
        self,
        config: ModelerConfig,
        model: keras.Model,
        learning: Sequence[keras.Variable],
        averages: Averages | None,
    ) -> None:
        self._config = config
        self._learning = learning
        self._decaying = decaying_of(config, learning, model)
        self._averages = averages
        self.optimizer = optimizer_of(config, learning, self._decaying)

    def apply(self, grads: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> dict[str, tf.Tensor]:
        """Makes it, inside of the compiled step.

        Args:
            grads: of the learning variables, the means over all ranks.
            learning_rate: float32 scalar.

        Returns:
            What it found on its way: `gradient_norm` where gradients are clipped.
        """
        config = self._config
        updates = tf.identity(self.optimizer.iterations.value)
        grads, found = clipped(grads, config)
        if config.weight_decay > 0 and not decays_by_itself(config):
            grads = with_l2(grads, self._learning, self._decaying, config.weight_decay)
        self.optimizer.learning_rate.assign(learning_rate)
        self.optimizer.apply(grads, self._learning)
        if self._averages is not None:
            self._averages.follow(updates)
        return found
