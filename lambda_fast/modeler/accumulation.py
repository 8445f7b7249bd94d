"""Gradient accumulation: the step of a large batch in the memory of a small one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def accumulated(
    objective: Callable[[tf.Tensor, tf.Tensor], dict[str, Any]],
    count: int,
    images: tf.Tensor,
    labels: tf.Tensor,
    learning: Sequence[keras.Variable],
) -> dict[str, Any]:
    """The means of what each part of the batch gives, one part after another.

    A loop inside the compiled step: between two steps nothing is half done, so that steps,
    checkpoints and the sums over ranks need not know of it.

    Args:
        objective: from images and labels of a part to `loss` and `accuracy`, float32 scalars, and
            `grads`, one for each variable.
        count: of parts.
        images: [count * part, height, width, channels].
        labels: [count * part] or [count * part, classes].
        learning: the variables that the gradients are of.

    Returns:
        `loss`, `accuracy` and `grads` of the whole batch.
    """
    images, labels = (tf.reshape(x, [count, -1, *x.shape[1:]]) for x in (images, labels))

    def add(part: tf.Tensor, sums: dict[str, Any]) -> tuple[tf.Tensor, dict[str, Any]]:
        outputs = objective(images[part], labels[part])
        return part + 1, tf.nest.map_structure(tf.add, sums, outputs)

    zeros = {
        "loss": tf.zeros([]),
        "accuracy": tf.zeros([]),
        "grads": [tf.zeros(variable.shape, variable.dtype) for variable in learning],
    }
    _, sums = tf.while_loop(lambda part, _: part < count, add, (tf.constant(0), zeros))
    return tf.nest.map_structure(lambda total: total / count, sums)
