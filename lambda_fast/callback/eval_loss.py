"""eval_loss: the mean loss over the images."""

from typing import Any

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config


class EvalLoss(Callback):
    """Metric: `loss`, the cross-entropy, without smoothing."""

    def __init__(self) -> None:
        self._sums: list[Any] = []  # on the device until the end

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects the sum over the batch."""
        self._sums.append(report.outputs["loss"])

    def after_run(self, run: Run) -> None:
        """Divides."""
        if run.images:
            run.metrics["loss"] = sum(map(float, self._sums)) / run.images


@assembly.part
def build(config: Config) -> EvalLoss:
    """The callback."""
    return EvalLoss()
