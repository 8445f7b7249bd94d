"""Plain: what evaluation does to images, in TensorFlow's own ops, for exported networks."""

from __future__ import annotations

import tensorflow as tf

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.inputter.geometry import Geometry


def shown(images: tf.Tensor, geometry: Geometry, shape: tuple[int, int, int]) -> tf.Tensor:
    """The window that an inputter shows in evaluation, resized.

    The same as `centred_windows` and the native resize, but for the rounding of single values.

    Args:
        images: uint8 [batch, height, width, channels] of any size.
        geometry: of evaluation.
        shape: (height, width, channels) of the result.

    Returns:
        float32 [batch, *shape], whole numbers in 0..255.
    """
    if geometry.keeps_size:
        return tf.cast(tf.ensure_shape(images, (None, *shape)), tf.float32)
    height, width = shape[:2]
    size = tf.shape(images)[1:3]
    sides = tf.cast(size, tf.float64)
    scale = tf.reduce_min(sides / tf.constant((height, width), tf.float64))
    if geometry.short_side:
        scale = tf.minimum(scale, tf.reduce_min(sides) / geometry.short_side)
    extent = tf.floor(scale * tf.constant((height, width), tf.float64) + 0.5)
    extent = tf.clip_by_value(tf.cast(extent, tf.int32), 1, size)
    corner = (size - extent) // 2
    window = tf.slice(images, [0, *tf.unstack(corner), 0], [-1, *tf.unstack(extent), -1])
    resized = tf.image.resize(window, (height, width), antialias=geometry.antialias)
    return tf.ensure_shape(tf.floor(resized + 0.5), (None, *shape))


def augmented(images: tf.Tensor, spec: AugmentSpec) -> tf.Tensor:
    """What the augmenter does without dice: a centred crop, then normalisation.

    Args:
        images: float32 [batch, height, width, channels], pixel values.
        spec: `height`, `width`, `normalize`, `mean` and `std` of it.

    Returns:
        float32 [batch, spec.height or height, spec.width or width, channels].
    """
    height, width = images.shape[1:3]
    rows, columns = spec.height or height, spec.width or width
    top, left = (height - rows) // 2, (width - columns) // 2
    images = images[:, top : top + rows, left : left + columns]
    channels = images.shape[-1]
    if spec.normalize == "channels":
        return (images - spec.mean[:channels]) / tf.constant(spec.std[:channels])
    if spec.normalize == "image":
        return tf.image.per_image_standardization(images)
    return images
