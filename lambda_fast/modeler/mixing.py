"""Mixup and cutmix: each image with another one of its batch, in pixels and in labels.

The dice are a pure function of (seed, epoch, sample id). The partner is the image at the mirrored
place of the device's batch, so it depends on who else is there: the one choice that does.
"""

from __future__ import annotations

import math

import tensorflow as tf

from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.objective import targets_of
from lambda_fast.modeler.philox import dice

# Beside the augmenter's streams: mixed or not, which way, and the share's two; then the window's.
STREAM = 0x40000000


def mixes(config: ModelerConfig) -> bool:
    """Whether any image is mixed."""
    return config.mix_probability > 0 and (config.mixup > 0 or config.cutmix > 0)


def mixed(
    images: tf.Tensor,
    labels: tf.Tensor,
    classes: int,
    sample_ids: tf.Tensor,
    epoch: tf.Tensor,
    seed: int,
    config: ModelerConfig,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Images and targets of mixup (arXiv:1710.09412) and cutmix (arXiv:1905.04899).

    Args:
        images: augmented, float32 or bfloat16 [batch, height, width, channels].
        labels: int32 [batch].
        classes: how many there are.
        sample_ids: int64 [batch].
        epoch: int64 scalar.
        seed: of the run.
        config: the alphas, `mix_probability`, `mix_switch`, and `label_smoothing`.

    Returns:
        Images like the given ones, and float32 [batch, classes] targets.
    """
    chance, switch, *pair = dice(sample_ids, epoch, seed, STREAM)
    chosen = chance < config.mix_probability
    cut = tf.fill(tf.shape(chosen), config.cutmix > 0)
    if config.mixup > 0 and config.cutmix > 0:
        cut = switch < config.mix_switch
    own = symmetric_beta(tf.where(cut, config.cutmix, config.mixup), *pair)
    other = tf.where(chosen & ~cut, 1.0 - own, 0.0)  # the partner's share
    weight = other[:, None, None, None]  # of each of its pixels
    if config.cutmix > 0:
        where = dice(sample_ids, epoch, seed, STREAM + 1)
        inside = window(own, where[0], where[1], images.shape[1:3]) & (chosen & cut)[:, None, None]
        weight = tf.where(inside[..., None], 1.0, weight)
        area = tf.reduce_mean(tf.cast(inside, tf.float32), [1, 2])
        other = tf.where(cut, area, other)
    targets = targets_of(labels, classes, config)
    return _blend(images, weight), _blend(targets, other[:, None])


def symmetric_beta(alpha: tf.Tensor, u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Beta(alpha, alpha), without rejection (Devroye, 1996, "in one line of code").

    Args:
        alpha: above 0, float32 [batch].
        u: uniform in [0, 1), float32 [batch].
        v: likewise, another one.

    Returns:
        float32 [batch] in [0, 1].
    """
    cosine = tf.cos(2.0 * math.pi * v)
    power = u ** (1.0 / alpha)
    square = (1.0 - power) * cosine**2
    ratio = square / tf.maximum(power + square, 1e-30)
    return 0.5 * (1.0 + tf.sign(cosine) * tf.sqrt(ratio))


def window(share: tf.Tensor, y: tf.Tensor, x: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Which pixels lie in the window that leaves `share` of an image, cut off at its edges.

    Args:
        share: float32 [batch].
        y: of the window's middle, in [0, 1), float32 [batch].
        x: likewise.
        size: (height, width) of the images.

    Returns:
        bool [batch, height, width].
    """
    side = tf.sqrt(1.0 - share)
    lines = []
    for middle, extent in zip((y, x), size, strict=True):
        half = tf.cast(side * extent, tf.int32) // 2
        centre = tf.cast(middle * extent, tf.int32)
        places = tf.range(extent)[None]
        lines.append((places >= (centre - half)[:, None]) & (places < (centre + half)[:, None]))
    return lines[0][:, :, None] & lines[1][:, None, :]


def _blend(values: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(values, tf.float32)
    return tf.cast((1.0 - weight) * wide + weight * wide[::-1], values.dtype)
