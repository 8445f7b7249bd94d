"""infer_basic: restores the checkpoint, and says what each image shows."""

from lambda_fast import assembly
from lambda_fast.callback import Run, StepReport
from lambda_fast.callback.restoring import Restoring
from lambda_fast.config import Config
from lambda_fast.prediction import best_of, table


class InferBasic(Restoring):
    """Results: `predictions`, one for each image, in order."""

    def before_run(self, run: Run) -> None:
        """Restores."""
        super().before_run(run)
        run.results["predictions"] = []

    def after_step(self, run: Run, report: StepReport) -> None:
        """Says it of the batch's images."""
        probabilities = report.outputs["probabilities"].numpy()
        ids = report.batch.sample_ids.numpy()
        for index, row in zip(ids[: report.images], probabilities, strict=False):
            one = best_of(run.inputter.paths[index], row, run.inputter.class_names)
            run.results["predictions"].append(one)
            run.say(table(one))


@assembly.part
def build(config: Config) -> InferBasic:
    """The callback."""
    return InferBasic()
