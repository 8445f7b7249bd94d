"""Muon: convolution kernels move along their momentum made orthogonal; the rest by plain SGD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 3


@keras.saving.register_keras_serializable("lambda_fast")
class Muon(keras.optimizers.Optimizer):
    """The optimizer of Jordan et al., 2024 (https://kellerjordan.github.io/posts/muon).

    A kernel of three or more dimensions is a matrix with a row for each output channel. Its update
    is the (Nesterov) momentum whose singular values have been driven towards 1 by a few
    Newton-Schulz iterations; before it, the kernel is scaled to a root mean square row norm of 1.
    Dense kernels, of two dimensions, and vectors are moved by SGD with Nesterov momentum and
    decoupled decay, at rates of their own.

    Args:
        learning_rate: of the convolution kernels.
        momentum: of the convolution kernels.
        dense_rate: of matrices, relative to `learning_rate`.
        vector_rate: of vectors (offsets and scales), relative to `learning_rate`.
        sgd_momentum: of matrices and vectors.
        decay: of matrices and vectors in each step, relative to `learning_rate`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.24,
        momentum: float = 0.6,
        dense_rate: float = 0.085,
        vector_rate: float = 440.0,
        sgd_momentum: float = 0.85,
        decay: float = 0.0167,
        name: str = "muon",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum, self.sgd_momentum, self.decay = momentum, sgd_momentum, decay
        self.dense_rate, self.vector_rate = dense_rate, vector_rate

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes a momentum for each variable."""
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Moves one variable."""
        slot = self._momentums[self._get_variable_index(variable)]
        value, rate = tf.convert_to_tensor(variable), tf.cast(learning_rate, tf.float32)
        if len(variable.shape) > 2:
            momentum = self.momentum * slot.value + gradient
            ahead = gradient + self.momentum * momentum
            rows = tf.transpose(tf.reshape(ahead, (-1, variable.shape[-1])))
            update = tf.reshape(tf.transpose(orthogonal(rows)), variable.shape)
            norm = tf.norm(value) + 1e-12
            scaled = value * (variable.shape[-1] ** 0.5 / norm)
            variable.assign(scaled - rate * update)
        else:
            relative = self.vector_rate if len(variable.shape) < 2 else self.dense_rate
            momentum = self.sgd_momentum * slot.value + (
                relative * gradient + self.decay * value
            )
            ahead = relative * gradient + self.decay * value + self.sgd_momentum * momentum
            variable.assign_sub(rate * ahead)
        slot.assign(momentum)

    def get_config(self) -> dict[str, Any]:
        """What makes the same optimizer."""
        return super().get_config() | {
            "momentum": self.momentum,
            "dense_rate": self.dense_rate,
            "vector_rate": self.vector_rate,
            "sgd_momentum": self.sgd_momentum,
            "decay": self.decay,
        }


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Near the closest matrix with orthonormal rows or columns: singular values of about 1.

    Args:
        matrix: float32 [rows, columns].

    Returns:
        float32 [rows, columns].
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if is_tall else matrix
    x = x / (tf.norm(x) + 1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * square + c * tf.matmul(square, square), x)
    return tf.transpose(x) if is_tall else x
