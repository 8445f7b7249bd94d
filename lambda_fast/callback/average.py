"""Average: the mean of one of the step's outputs since the last report."""

import math

from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.errors import UserError


class DivergedError(UserError, ArithmeticError):
    """The training has left the finite numbers."""


class Average(Callback):
    """Keeps the scalars on the device and reads them on log steps alone.

    Args:
        name: of the output, and of the metric.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: list = []

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects; on log steps, reads and averages.

        Raises:
            DivergedError: a value is not finite.
        """
        self._waiting.append(report.outputs[self._name])
        if run.is_log_step():
            mean = sum(map(float, self._waiting)) / len(self._waiting)
            if not math.isfinite(mean):
                raise DivergedError(
                    f"[{self._name}] expected finite values, found {mean} between steps "
                    f"{run.step - len(self._waiting) + 1} and {run.step}. Start again from an "
                    "earlier checkpoint with a lower modeler.learning_rate"
                )
            run.metrics[self._name] = mean
            self._waiting.clear()
