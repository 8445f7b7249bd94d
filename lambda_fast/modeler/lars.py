"""LARS: each variable's step is measured by the norm of its weights."""

import keras
from keras import ops


class Lars(keras.optimizers.Optimizer):
    """Layer-wise adaptive rates (You et al., 2017, arXiv:1708.03888, algorithm 1).

    With weights w, gradient g and rate r: `v = momentum * v + r * s * (g + decay * w)`,
    `w = w - v`, where `s = trust * |w| / (|g| + decay * |w|)`. Variables that
    `exclude_from_weight_decay` names have s = 1 and no decay.

    Args:
        learning_rate: r.
        momentum: share of v that is kept.
        decay: of the weights.
        trust: a step's share of the norm of the weights.
        name: begins the names of the slots.
    """

    def __init__(
        self, learning_rate: float, momentum: float, decay: float, trust: float, name: str
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name)
        self._momentum, self._decay, self._trust = momentum, decay, trust

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes v."""
        if not self.built:
            super().build(variables)
            (self._velocities,) = self.add_optimizer_variables(variables, ["momentum"])

    def update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: keras.Variable
    ) -> None:
        """Updates one variable."""
        velocity = self._velocities[self._get_variable_index(variable)]
        if self._use_weight_decay(variable):
            weights, slope = _norm(variable), _norm(gradient)
            scale = self._trust * weights / (slope + self._decay * weights)
            usable = ops.logical_and(weights > 0, slope > 0)
            gradient = (gradient + self._decay * variable) * ops.where(usable, scale, 1.0)
        change = self._momentum * velocity + learning_rate * gradient
        self.assign(velocity, change)
        self.assign_sub(variable, change)


def _norm(values: keras.KerasTensor) -> keras.KerasTensor:
    return ops.sqrt(ops.sum(ops.square(values)))
