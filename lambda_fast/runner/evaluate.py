"""evaluate: one pass of all ranks over an evaluation set, every image counted once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lambda_fast import native
from lambda_fast.inputter import Inputter
from lambda_fast.inputter.quarantine import none_left
from lambda_fast.modeler.evaluated import Sums


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
    """Runs a modeler in eval mode over its inputter's images. All ranks must call it.

    Args:
        inputter: of this rank's share of the images.
        modeler: in eval mode.

    Returns:
        The means over all ranks' images, on every rank.

    Raises:
        DataError: none of them can be used.
    """
    sums = Sums("loss", "accuracy")
    images = 0
    for step in range(inputter.steps_per_epoch):
        batch = inputter.batch(0, step)
        if batch.count > 0:  # the last ranks of the last step may have none
            sums.add(modeler.forward_step(batch))
        images += batch.count
    totals = sums.read()
    own = [images, totals.get("loss", 0.0), totals.get("accuracy", 0.0)]  # a rank may have no batch
    images, loss, correct = _over_ranks(own)
    if images == 0:
        raise none_left("evaluate", inputter.samples)
    return Evaluation(loss / images, correct / images, int(images))


def _over_ranks(own: list[float]) -> list[float]:
    """The sums over all ranks, in double and in the order of the ranks."""
    core = native.core()
    everyone = []
    for root in range(core.world()["ranks"]):
        everyone.append(np.array(own, np.float64))
        core.broadcast([everyone[-1]], root)
    return np.sum(everyone, axis=0).tolist()
