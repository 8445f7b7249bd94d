"""How an inputter of image files makes a batch: filled place by place, then finished.

`start` begins to read files, `fill_places` makes the images of some places and says which are bad,
`finish` gives the batch. In between the inputter puts other images in the places of bad ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from lambda_fast.inputter.handover import aligned_empty

Faults = dict[int, str]  # by place: why its image is bad


class Batches(Protocol):
    """What the inputter asks for.

    Attributes:
        shape: of one image: (height, width, channels).
        bad: by id, why an image can never be used, as far as that is known.
    """

    shape: tuple[int, int, int]
    bad: dict[int, str]

    def start(self, ids: np.ndarray) -> Any:
        """Begins to read the files of these ids (int64 [images])."""
        ...

    def new_batch(self) -> Any:
        """An empty batch."""
        ...

    def fill_places(
        self, batch: Any, places: np.ndarray, ids: np.ndarray, epoch: int, reading: Any
    ) -> Faults:
        """Makes images: places int64 [images] get those of ids int64 [images], which were started.

        Returns:
            By index into `places`, what is wrong with the bad ones.
        """
        ...

    def finish(self, batch: Any, good: Sequence[int]) -> tuple[Any, Faults]:
        """The images of the good places, moved to the front, with zeros behind them.

        Returns:
            What `handover.to_tensor` takes, uint8 [batch_size, *shape]; and by place what turned
            out to be bad after all: then the images are void, and those places are to be filled
            again.
        """
        ...

    def is_complete(self) -> bool:
        """Whether everything is kept in memory."""
        ...

    def keep_the_rest(self) -> Faults:
        """Keeps the few images that are missing. By id, what is wrong with the bad ones."""
        ...

    def close(self) -> None:
        """Ends what works in the background."""
        ...


class HostBatches(ABC):
    """Batches in host memory, for classes that can `fill` an array.

    Attributes:
        shape: of one image.
        batch_size: images a batch.
        bad: none is known.
    """

    shape: tuple[int, int, int]
    batch_size: int

    def __init__(self) -> None:
        self.bad: dict[int, str] = {}

    @abstractmethod
    def fill(self, output: np.ndarray, ids: np.ndarray, epoch: int, reading: Any) -> Faults:
        """Makes the images of ids (int64 [images]) in output, uint8 [images, *shape].

        Returns:
            By index, what is wrong with the bad ones, whose places are left as they are.
        """

    def new_batch(self) -> np.ndarray:
        """Memory that a tensor can take over."""
        return aligned_empty((self.batch_size, *self.shape))

    def fill_places(
        self, batch: np.ndarray, places: np.ndarray, ids: np.ndarray, epoch: int, reading: Any
    ) -> Faults:
        """As in `Batches`."""
        if len(places) == len(batch):
            return self.fill(batch, ids, epoch, reading)
        images = np.empty((len(places), *self.shape), np.uint8)
        faults = self.fill(images, ids, epoch, reading)
        batch[places] = images
        return faults

    def finish(self, batch: np.ndarray, good: Sequence[int]) -> tuple[np.ndarray, Faults]:
        """As in `Batches`; nothing more can turn out to be bad."""
        if len(good) < len(batch):
            batch[: len(good)] = batch[good]
            batch[len(good) :] = 0
        return batch, {}

    def is_complete(self) -> bool:
        """Whether everything is kept in memory."""
        return False

    def keep_the_rest(self) -> Faults:
        """Nothing that could be kept is missing."""
        return {}
