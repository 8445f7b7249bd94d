"""The optimizer of a run, by name."""

from collections.abc import Sequence

import keras

from lambda_fast.config import ModelerConfig


def optimizer_of(config: ModelerConfig, variables: Sequence[keras.Variable]) -> keras.Optimizer:
    """The optimizer with its slots, built for the variables that learn."""
    optimizer = keras.optimizers.SGD(
        learning_rate=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        name="optimizer",
    )
    optimizer.build(variables)
    return optimizer
