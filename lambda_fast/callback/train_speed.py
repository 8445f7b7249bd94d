"""train_speed: images per second, with compiling and warming up told apart."""

import time

from lambda_fast import assembly
from lambda_fast.bottleneck.stage_clock import WARMUP_STEPS
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config


class TrainSpeed(Callback):
    """Divides images by seconds.

    Metrics: `images_per_second` since the last report and `mean_images_per_second` over the run;
    `input_wait` and `mean_input_wait`, the share of that time in which the step waited for its
    batch; `compile_seconds` of the first step. Checkpoints and evaluations do not count
    (`Run.pause`).

    Place it after the callbacks that read the loss, so that the clock is read when the device is
    done.
    """

    metrics = (
        "images_per_second",
        "mean_images_per_second",
        "input_wait",
        "mean_input_wait",
        "compile_seconds",
    )

    def __init__(self) -> None:
        self._done = 0  # steps of this process
        self._start = self._window = (0.0, 0)  # clock and images, of the run and of the report
        self._waited = [0.0, 0.0]  # seconds waited for batches, likewise

    def after_step(self, run: Run, report: StepReport) -> None:
        """Counts; on log steps, divides."""
        self._done += 1
        if self._done == 1:
            run.metrics["compile_seconds"] = report.seconds
        if self._done <= WARMUP_STEPS:
            if self._done == WARMUP_STEPS:
                run.modeler.step()  # waits for the device
                self._start = self._window = (self._clock(run), 0)
            return
        self._waited = [waited + report.input_seconds for waited in self._waited]
        seconds, images = self._start
        self._start = (seconds, images + report.images)
        if run.is_log_step():
            now = self._clock(run)
            window_seconds, window_images = self._window
            total = self._start[1]
            run.metrics["images_per_second"] = (total - window_images) / (now - window_seconds)
            run.metrics["mean_images_per_second"] = total / (now - seconds)
            run.metrics["input_wait"] = self._waited[1] / (now - window_seconds)
            run.metrics["mean_input_wait"] = self._waited[0] / (now - seconds)
            self._window, self._waited[1] = (now, total), 0.0

    @staticmethod
    def _clock(run: Run) -> float:
        return time.perf_counter() - run.paused_seconds


@assembly.part
def build(config: Config) -> TrainSpeed:
    """The callback."""
    return TrainSpeed()
