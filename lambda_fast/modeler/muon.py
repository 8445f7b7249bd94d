"""Muon: convolution kernels move along their momentum made orthogonal, the rest by plain SGD."""

from __future__ import annotations

import keras
import tensorflow as tf

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 3


class Muon(keras.optimizers.Optimizer):
    """The optimizer of Jordan et al., 2024 (https://kellerjordan.github.io/posts/muon).

    A kernel of three or more dimensions is a matrix with a row for each output channel. Its step is
    the momentum, with Nesterov's look-ahead, whose singular values have been driven towards 1; just
    before, the kernel is scaled to rows of norm 1 in the root mean square. Matrices (of dense
    layers) and vectors (scales and offsets) move by SGD with Nesterov's look-ahead, at rates of
    their own, and decay.

    Args:
        learning_rate: of the convolution kernels.
        momentum: of the convolution kernels.
        decay: of matrices and vectors, unless `exclude_from_weight_decay` names them: times them
            and the rate, it is taken off in each step.
        dense_rate: of matrices, relative to `learning_rate`.
        vector_rate: of vectors, relative to `learning_rate`.
        sgd_momentum: of matrices and vectors.
        name: begins the names of the slots.
    """

    def __init__(
        self,
        learning_rate: float,
        momentum: float = 0.6,
        decay: float = 0.0,
        dense_rate: float = 1.0,
        vector_rate: float = 1.0,
        sgd_momentum: float = 0.85,
        name: str = "muon",
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name)
        self._momentum, self._sgd_momentum, self._decay = momentum, sgd_momentum, decay
        self._dense_rate, self._vector_rate = dense_rate, vector_rate

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes the momenta."""
        if not self.built:
            super().build(variables)
            (self._momenta,) = self.add_optimizer_variables(variables, ["momentum"])

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Updates one variable."""
        momentum = self._momenta[self._get_variable_index(variable)]
        value = tf.convert_to_tensor(variable)
        if len(value.shape) > 2:
            new = self._momentum * momentum + gradient
            step = orthogonal(tf.reshape(gradient + self._momentum * new, (-1, value.shape[-1])))
            value *= value.shape[-1] ** 0.5 / (tf.norm(value) + 1e-12)
            change = learning_rate * tf.reshape(step, value.shape)
        else:
            gradient *= self._vector_rate if len(value.shape) < 2 else self._dense_rate
            if self._use_weight_decay(variable):
                gradient += self._decay * value
            new = self._sgd_momentum * momentum + gradient
            change = learning_rate * (gradient + self._sgd_momentum * new)
        self.assign(momentum, new)
        self.assign(variable, value - change)


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """A matrix with the same singular vectors and singular values near 1, by Newton-Schulz steps.

    Values below a hundredth of the matrix's norm stay smaller.

    Args:
        matrix: float32 [rows, columns].

    Returns:
        float32 [rows, columns].
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if is_tall else matrix
    x /= tf.norm(x) + 1e-7
    a, b, c = NEWTON_SCHULZ
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * square + c * tf.matmul(square, square), x)
    return tf.transpose(x) if is_tall else x
