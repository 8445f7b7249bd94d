"""Views: an image is also classified mirrored and shifted, and the logits are averaged."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

Views = Literal["none", "flip", "flip_shift"]


def logits_of(model: keras.Model, images: tf.Tensor, views: Views) -> tf.Tensor:
    """What the network says in inference: float32 [batch, classes].

    Args:
        model: logits out.
        images: [batch, height, width, channels].
        views: `none`: of the image alone. `flip`: the mean of the image's and its mirror image's.
            `flip_shift`: the mean of that, and of the mean of both when they are shifted by a pixel
            up and left, and down and right, mirrored at the border (as in Jordan, 2024,
            arXiv:2404.00498); six times the work.
    """

    def seen(batch: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(batch, training=False), tf.float32)

    def both(batch: tf.Tensor) -> tf.Tensor:
        return 0.5 * (seen(batch) + seen(batch[:, :, ::-1]))

    if views == "none":
        return seen(images)
    if views == "flip":
        return both(images)
    height, width = images.shape[1:3]
    wider = tf.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], "REFLECT")
    shifted = both(wider[:, :height, :width]) + both(wider[:, 2:, 2:])
    return 0.5 * both(images) + 0.25 * shifted
