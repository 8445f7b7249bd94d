"""The same step as a plain tf.function without XLA, on the same network."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from benchmarks.images import cycle
from benchmarks.interleave import System


def train(
    images: np.ndarray,
    labels: np.ndarray,
    net: Callable[[], keras.Model],
    precision: str,
    learning_rate: float,
) -> System:
    """Forward, backward and update; arguments as in `keras_fit.train`."""
    model = net()
    variables = model.trainable_variables
    optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True)
    optimizer.build(variables)

    @tf.function
    def program(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(images, training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss

    pairs = zip(images, labels, strict=True)
    batches = cycle([(tf.constant(pixels), tf.constant(classes)) for pixels, classes in pairs])
    return System(
        name="tf_function",
        step=lambda: float(program(*next(batches))),
        images=images.shape[1],
        facts={
            "precision": precision,
            "how": "no XLA",
            "parameters": sum(int(np.prod(value.shape)) for value in variables),
        },
    )
