"""evaluate: one pass over an evaluation set, every image counted once."""

from dataclasses import dataclass
from typing import Any

from lambda_fast.callback import Run
from lambda_fast.callback.eval_accuracy import EvalAccuracy
from lambda_fast.callback.eval_loss import EvalLoss
from lambda_fast.data.fetch import DataError
from lambda_fast.inputter import Inputter
from lambda_fast.runner.forward_runner import one_pass


@dataclass(frozen=True)
class Evaluation:
    """Means over the images.

    Attributes:
        loss: cross-entropy, without smoothing.
        accuracy: share whose most likely class is the label.
        images: counted.
    """

    loss: float
    accuracy: float
    images: int


def evaluate(inputter: Inputter, modeler: Any) -> Evaluation:
    """Runs a modeler in eval mode, whose network is in training, over its inputter's images.

    Raises:
        DataError: none of them can be used.
    """
    run = Run(
        config=modeler.config,
        inputter=inputter,
        modeler=modeler,
        model_dir=modeler.config.model_path(),
        total_steps=inputter.steps_per_epoch,
    )
    one_pass(run, [EvalLoss(), EvalAccuracy()])
    if not run.images:
        raise DataError(
            f"[evaluate] expected an image that can be used, found none among {inputter.samples}"
        )
    return Evaluation(run.metrics["loss"], run.metrics["accuracy"], run.images)
