"""eval_speed: images per second of the evaluation, without its first step, which compiles."""

import time

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config


class EvalSpeed(Callback):
    """Metrics: `compile_seconds` and, with more than one step, `images_per_second`."""

    def __init__(self) -> None:
        self._begin = 0.0
        self._first = 0  # images of the first step
        self._last: StepReport | None = None

    def after_step(self, run: Run, report: StepReport) -> None:
        """Starts the clock when the device is done with the first step."""
        if self._last is None:
            _wait(report)
            run.metrics["compile_seconds"] = report.seconds
            self._begin, self._first = time.perf_counter(), run.images
        self._last = report

    def after_run(self, run: Run) -> None:
        """Divides when the device is done with the last step."""
        if self._last is not None and run.images > self._first:
            _wait(self._last)
            seconds = time.perf_counter() - self._begin
            run.metrics["images_per_second"] = (run.images - self._first) / seconds


def _wait(report: StepReport) -> None:
    for value in report.outputs.values():
        value.numpy()


@assembly.part
def build(config: Config) -> EvalSpeed:
    """The callback."""
    return EvalSpeed()
