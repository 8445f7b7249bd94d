"""The learning rate of each step: a linear warm-up, then one of the schedules."""

import math
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from lambda_fast.config import ModelerConfig


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A function of the step, in and out of a graph.

    Attributes:
        config: peak, warm-up, kind.
        steps_per_epoch: turns epochs into steps.
        total_steps: where cosine and linear end.
    """

    config: ModelerConfig
    steps_per_epoch: int
    total_steps: int

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate, a float32 scalar, of a step counted from 0 (int64 scalar)."""
        peak = self.config.learning_rate
        warmup = self.config.warmup_epochs * self.steps_per_epoch
        now = tf.cast(step, tf.float32)
        rate = self._after(now, warmup)
        if warmup > 0:
            rate = tf.where(now < warmup, peak * (now + 1.0) / (warmup + 1.0), rate)
        return rate

    def _after(self, now: tf.Tensor, warmup: float) -> tf.Tensor:
        """The rate of a step after the warm-up, which has so many steps."""
        config = self.config
        peak, floor = config.learning_rate, config.min_learning_rate
        share = (now - warmup) / max(1.0, self.total_steps - warmup)
        if config.schedule == "cosine":
            half = 0.5 * (peak - floor)
            rate = half * (1.0 + tf.cos(math.pi * tf.clip_by_value(share, 0.0, 1.0)))
            return rate + floor if floor > 0 else rate
        if config.schedule == "linear":
            return peak - (peak - floor) * tf.clip_by_value(share, 0.0, 1.0)
        if config.schedule in ("step", "exponential"):
            falls = (now - warmup) / (config.decay_epochs * self.steps_per_epoch)
            return peak * config.decay ** (tf.floor(falls) if config.schedule == "step" else falls)
        rate = tf.constant(peak, tf.float32)
        if config.schedule == "piecewise":
            for boundary, factor in zip(config.boundaries, self._factors(), strict=True):
                rate = tf.where(now >= boundary * self.steps_per_epoch, rate * factor, rate)
        return rate

    def _factors(self) -> tuple[float, ...]:
        decay = self.config.decay
        return decay if isinstance(decay, tuple) else (decay,) * len(self.config.boundaries)
