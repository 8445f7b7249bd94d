"""train_eval: evaluates on the evaluation split, every few epochs if asked and at the end.

With several ranks each of them has this callback, and evaluates its share of the images.
"""

from lambda_fast import assembly, native
from lambda_fast.build import find
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.callback.best import Best
from lambda_fast.config import Config
from lambda_fast.runner.evaluate import evaluate


class TrainEval(Callback):
    """Metrics: `eval_loss`, `eval_accuracy`; with `keep_best` also `best_accuracy`."""

    metrics = ("eval_loss", "eval_accuracy")

    def __init__(self, config: Config) -> None:
        self._every = config.callback.eval_every_epochs
        writes = native.core().world()["rank"] == 0
        self._best = None
        if config.callback.keep_best and writes:
            self._best = Best()
            self.metrics = (*self.metrics, "best_accuracy")
        self._inputter = None
        self._modeler = None
        self._step = -1

    def before_run(self, run: Run) -> None:
        """Looks at the best checkpoint of an earlier process."""
        if self._best is not None:
            self._best.look(run)

    def after_step(self, run: Run, report: StepReport) -> None:
        """Evaluates at the end of an epoch, when it is time."""
        if self._every and run.is_epoch_end() and (report.epoch + 1) % self._every == 0:
            self._evaluate(run)

    def after_run(self, run: Run) -> None:
        """Evaluates the last step, unless the run was stopped before it."""
        if run.is_complete() and self._step != run.step:
            self._evaluate(run)

    def close(self) -> None:
        """Ends what the inputter does in the background."""
        if self._inputter is not None:
            self._inputter.close()

    def _evaluate(self, run: Run) -> None:
        with run.pause("evaluate"):
            if self._inputter is None:
                world = native.core().world()
                build_inputter = find("inputter", run.config.inputter.name)
                self._inputter = build_inputter(run.config, "eval", world["rank"], world["ranks"])
                self._modeler = run.modeler.for_mode("eval", self._inputter)
            result = evaluate(self._inputter, self._modeler)
        self._step = run.step
        run.metrics["eval_loss"], run.metrics["eval_accuracy"] = result.loss, result.accuracy
        run.say(
            f"step {run.step}: {result.accuracy:.2%} of {result.images} evaluation images right, "
            f"loss {result.loss:.4f}{', by averaged weights' if self._modeler.averaged else ''}"
        )
        if self._best is not None:
            with run.pause("checkpoint"):
                self._best.offer(run, result.accuracy)


@assembly.part
def build(config: Config) -> TrainEval:
    """The callback."""
    return TrainEval(config)
