"""eval_loss: the mean loss over the images."""

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config
from lambda_fast.modeler.evaluated import Sums


class EvalLoss(Callback):
    """Metric: `loss`, the cross-entropy, without smoothing."""

    def __init__(self) -> None:
        self._sums = Sums("loss")

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects the sum over the batch."""
        self._sums.add(report.outputs)

    def after_run(self, run: Run) -> None:
        """Divides."""
        if run.images:
            run.metrics["loss"] = self._sums.read()["loss"] / run.images


@assembly.part
def build(config: Config) -> EvalLoss:
    """The callback."""
    return EvalLoss()
