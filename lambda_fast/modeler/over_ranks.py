"""Means over all ranks, in one or several collectives of the compiled step."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from lambda_fast.config import RunnerConfig
from lambda_fast.runner.collective import all_reduce


def means_over_ranks(
    grads: Sequence[tf.Tensor], others: Sequence[tf.Tensor], config: RunnerConfig
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The means of gradients and of what else the ranks share.

    Args:
        grads: float32 tensors, in the order of the network.
        others: float32 tensors; they go with the last bucket.
        config: its `buckets` and `wire`.

    Returns:
        Both as they were given, the same on all ranks.
    """
    narrow = config.wire == "bfloat16"
    means: dict[int, tf.Tensor] = {}
    buckets = in_buckets([grad.shape.num_elements() for grad in grads], config.buckets)
    for number, bucket in enumerate(buckets, 1):
        # Backpropagation ends with the first layers, and so do the buckets.
        own = [grads[index] for index in bucket]
        last = number == len(buckets)
        if narrow:  # a list of one type travels in that type
            found = all_reduce([tf.cast(grad, tf.bfloat16) for grad in own])
            found = [tf.cast(mean, tf.float32) for mean in found]
        else:
            found = all_reduce([*own, *others] if last else own)
        means.update(zip(bucket, found, strict=False))
        if last:
            others = all_reduce(others) if narrow else found[len(own) :]
    return [means[index] for index in range(len(grads))], list(others)


def in_buckets(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Places of tensors, the last ones first, in at most `count` parts of about equal size.

    Args:
        sizes: of the tensors, at least one.
        count: parts; fewer where there are fewer tensors.
    """
    total, done = sum(sizes), 0
    buckets: list[list[int]] = [[]]
    for index in reversed(range(len(sizes))):
        if buckets[-1] and done * count >= total * len(buckets):
            buckets.append([])
        buckets[-1].append(index)
        done += sizes[index]
    return buckets
