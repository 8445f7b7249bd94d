"""Gradient clipping."""

from collections.abc import Sequence

import tensorflow as tf

from lambda_fast.config import ModelerConfig


def clipped(
    grads: Sequence[tf.Tensor], config: ModelerConfig
) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """The gradients as the config allows them (Pascanu et al., 2012, arXiv:1211.5063).

    Args:
        grads: of any shapes.
        config: `clip_norm` for all of them together, or `clip_value` for each number.

    Returns:
        The gradients, and with `clip_norm` or `clip_value` their norm before as `gradient_norm`, a
        float32 scalar.
    """
    if not config.clips():
        return list(grads), {}
    norm = tf.linalg.global_norm(grads)
    if config.clip_norm > 0:
        cut = tf.clip_by_global_norm(grads, config.clip_norm, use_norm=norm)[0]
    else:
        cut = [tf.clip_by_value(grad, -config.clip_value, config.clip_value) for grad in grads]
    return cut, {"gradient_norm": norm}
