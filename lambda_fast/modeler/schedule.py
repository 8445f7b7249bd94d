"""The learning rate of each step: a linear warm-up, then cosine, piecewise or constant."""

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
        total_steps: where the cosine ends.
    """

    config: ModelerConfig
    steps_per_epoch: int
    total_steps: int

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate, a float32 scalar, of a step counted from 0 (int64 scalar)."""
        peak = self.config.learning_rate
        warmup = self.config.warmup_epochs * self.steps_per_epoch
        now = tf.cast(step, tf.float32)
        rate = tf.constant(peak, tf.float32)
        if self.config.schedule == "cosine":
            share = (now - warmup) / max(1.0, self.total_steps - warmup)
            rate = 0.5 * peak * (1.0 + tf.cos(math.pi * tf.clip_by_value(share, 0.0, 1.0)))
        elif self.config.schedule == "piecewise":
            for boundary in self.config.boundaries:
                passed = now >= boundary * self.steps_per_epoch
                rate = tf.where(passed, rate * self.config.decay, rate)
        if warmup > 0:
            rate = tf.where(now < warmup, peak * (now + 1.0) / (warmup + 1.0), rate)
        return rate
