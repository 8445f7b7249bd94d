"""Average: the mean of one of the step's outputs since the last report."""

from lambda_fast.callback import Callback, Run, StepReport


class Average(Callback):
    """Keeps the scalars on the device and reads them on log steps alone.

    Args:
        name: of the output, and of the metric.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: list = []

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects; on log steps, reads and averages."""
        self._waiting.append(report.outputs[self._name])
        if run.is_log_step():
            run.metrics[self._name] = sum(map(float, self._waiting)) / len(self._waiting)
            self._waiting.clear()
