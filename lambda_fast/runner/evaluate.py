"""evaluate: one pass over an evaluation set, every image counted once."""

from dataclasses import dataclass
from typing import Any

from lambda_fast.data.fetch import DataError
from lambda_fast.inputter import Inputter


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
    """Runs a modeler in eval mode over its inputter's images.

    Raises:
        DataError: none of them can be used.
    """
    outputs = []
    images = 0
    for step in range(inputter.steps_per_epoch):
        batch = inputter.batch(0, step)
        outputs.append(modeler.forward_step(batch))
        images += batch.count
    if images == 0:
        raise DataError(
            f"[evaluate] expected an image that can be used, found none among {inputter.samples}"
        )
    loss = sum(float(output["loss"]) for output in outputs)
    correct = sum(float(output["accuracy"]) for output in outputs)
    return Evaluation(loss / images, correct / images, images)
