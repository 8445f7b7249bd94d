"""Weight decay: which variables have it, and L2 in the gradients."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.patterns import matching


def decaying_of(
    config: ModelerConfig, learning: Sequence[keras.Variable], model: keras.Model
) -> list[keras.Variable]:
    """The variables that weight decay holds for.

    Args:
        config: names those that it skips.
        learning: variables that the step updates.
        model: whose names the patterns may mean; frozen variables have no decay anyway.

    Raises:
        ConfigError: a pattern matches no name.
    """
    if config.weight_decay_skip is None:
        return [variable for variable in learning if len(variable.shape) > 1]
    names = [variable.path for variable in model.variables]
    skipped = matching(config.weight_decay_skip, names, "modeler.weight_decay_skip")
    return [variable for variable in learning if variable.path not in skipped]


def with_l2(
    grads: Sequence[tf.Tensor],
    learning: Sequence[keras.Variable],
    decaying: Sequence[keras.Variable],
    decay: float,
) -> list[tf.Tensor]:
    """The gradients with those of `decay / 2 * |w|^2` added, for each w that decays."""
    apart = {id(variable) for variable in decaying}
    return [
        grad + decay * variable.value if id(variable) in apart else grad
        for grad, variable in zip(grads, learning, strict=True)
    ]
