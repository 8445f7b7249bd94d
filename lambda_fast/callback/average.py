"""Average: the mean of one of the step's outputs since the last report."""

import math

from lambda_fast.callback import Callback, Run, StepReport


class Average(Callback):
    """Keeps the scalars on the device and reads them on log steps alone.

    Args:
        name: of the output, and of the metric.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.metrics = (name,)
        self._waiting: list = []

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects; on log steps, reads and averages those that are finite.

        Steps that are not have their own watcher (`runner/nonfinite.py`).
        """
        self._waiting.append(report.outputs[self._name])
        if run.is_log_step():
            values = list(filter(math.isfinite, map(float, self._waiting)))
            if values:
                run.metrics[self._name] = sum(values) / len(values)
            self._waiting.clear()
