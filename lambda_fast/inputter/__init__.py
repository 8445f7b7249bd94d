"""Inputters: which images come when.

An inputter has no state. A batch is a function of (seed, epoch, step), so a run that resumes asks
for the next step and gets what the first run would have got.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from lambda_fast.augmenter.spec import AugmentSpec

Mode = Literal["train", "eval", "infer"]


@dataclass(frozen=True)
class Batch:
    """One rank's images of one step.

    Attributes:
        images: uint8 [batch, height, width, channels], a tensor on the device.
        labels: int32 [batch].
        sample_ids: int64 [batch].
        epoch: int64 scalar tensor.
        count: how many of the first entries count; the rest is padding, in eval and infer alone.
        handover_seconds: that it took to bring what was ready to the device.
    """

    images: Any
    labels: Any
    sample_ids: Any
    epoch: Any
    count: int
    handover_seconds: float = 0.0


class Inputter(Protocol):
    """What runners and modelers ask of an inputter.

    Attributes:
        samples: images in the data set.
        steps_per_epoch: batches an epoch. In train the incomplete last batch is left out, with
            other images in each epoch; in eval and infer it is padded.
        batch_size: images a batch.
        image_shape: (height, width, channels).
        class_names: by label.
        paths: of the images' files by id; none where they are no files.
        spec: what of the recipe's augmenter is left for the step; none: all of it.
        facts: what a checkpoint's data set must have in common with this one.
    """

    samples: int
    steps_per_epoch: int
    batch_size: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    paths: Sequence[str] | None
    spec: AugmentSpec | None
    facts: dict[str, Any]

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of step `step` within epoch `epoch`."""
        ...

    def close(self) -> None:
        """Ends what works in the background."""
        ...
