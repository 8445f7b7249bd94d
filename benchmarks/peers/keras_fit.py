"""keras.Model.fit with the same network: what a Keras user writes first."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from benchmarks.interleave import System


def train(
    images: np.ndarray,
    labels: np.ndarray,
    net: Callable[[], keras.Model],
    precision: str,
    learning_rate: float,
    steps: int,
) -> System:
    """A step is one `fit` over several batches, which hides the cost of entering `fit`.

    `compile` decides about XLA, and leaves it off on CPUs.

    Args:
        images: float32 [batches, batch, 32, 32, 3], augmented beforehand.
        labels: int32 [batches, batch].
        net: makes the network, in the precision asked for.
        precision: to record.
        learning_rate: a constant.
        steps: batches of a `fit`.
    """
    model = net()
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).repeat().prefetch(2)

    def step() -> float:
        return model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0).history["loss"][
            -1
        ]

    return System(
        name="keras_fit",
        step=step,
        images=steps * images.shape[1],
        facts={
            "precision": precision,
            "how": f"fit over {steps} steps",
            "parameters": sum(int(np.prod(value.shape)) for value in model.trainable_variables),
        },
    )
