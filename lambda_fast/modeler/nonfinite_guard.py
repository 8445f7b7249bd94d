"""The guard of the training step: an update that is not finite leaves no trace in the variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf


@dataclass(frozen=True)
class NotMade:
    """Updates that were not made.

    Attributes:
        first: the first of them, counted from 0.
        count: how many.
    """

    first: int
    count: int


class NonfiniteGuard:
    """Part of the compiled step; the host need not look at each one.

    Loss and gradients are those that all ranks share, so all ranks decide alike. With `stop`
    nothing changes any more after the first bad step, `iterations` included: however late the host
    looks, the state before it is still there. With `skip` the bad step alone is left out.

    Args:
        variables: all that a step changes.
        iterations: the optimizer's count of steps, one of them.
        policy: `stop` or `skip`.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        iterations: keras.Variable,
        policy: Literal["stop", "skip"],
    ) -> None:
        self._stops = policy == "stop"
        self._kept = [each for each in variables if self._stops or each is not iterations]
        self._iterations = iterations
        self._first = tf.Variable(-1, dtype=tf.int64, trainable=False, name="first_nonfinite")
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False, name="nonfinite")

    def before(self) -> list[tf.Tensor]:
        """What the variables hold before the step; called where it begins."""
        return [tf.identity(each.value) for each in (*self._kept, self._iterations)]

    def settle(
        self, before: Sequence[tf.Tensor], loss: tf.Tensor, grads: Sequence[tf.Tensor]
    ) -> None:
        """Takes the step back if it was bad; called where it ends.

        Args:
            before: as `before` gave them.
            loss: float32 scalar, over all ranks.
            grads: likewise, before they are clipped, and what clipping found.
        """
        finite = [tf.reduce_all(tf.math.is_finite(each)) for each in (loss, *grads)]
        good = tf.reduce_all(tf.stack(finite))
        if self._stops:
            good = tf.logical_and(good, self._first < 0)
        for variable, old in zip(self._kept, before, strict=False):
            variable.assign(tf.where(good, variable.value, old))
        is_first = tf.logical_and(tf.logical_not(good), self._first < 0)
        step = tf.cast(before[-1], tf.int64)
        self._first.assign(tf.where(is_first, step, self._first))
        self._count.assign_add(tf.where(good, tf.constant(0, tf.int64), 1))

    def look(self) -> NotMade | None:
        """The updates not made since the last look. Waits for the device."""
        first = int(self._first.numpy())
        if first < 0:
            return None
        found = NotMade(first, int(self._count.numpy()))
        if not self._stops:
            self._first.assign(-1)
            self._count.assign(0)
        return found
