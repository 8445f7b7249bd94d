"""Which samples a rank sees in which step: pure arithmetic on (seed, epoch, step)."""

from dataclasses import dataclass

import numpy as np

from lambda_fast import native
from lambda_fast.config import ConfigError


@dataclass(frozen=True, kw_only=True)
class Order:
    """The sample ids of each step.

    The global batch of a step is a run of `batch_size * ranks` positions of the epoch's order;
    rank r takes the r-th part of it. Another number of ranks with the same global batch therefore
    sees the same samples in the same steps.

    Attributes:
        samples: images in the data set.
        batch_size: images a step on this rank.
        seed: of the shuffling.
        shuffle: a new keyed permutation each epoch; else the order of the ids.
        complete: count every image once, the last batch padded; else leave the incomplete one out.
        rank: of this process, below `ranks`.
        ranks: processes that share an epoch.
    """

    samples: int
    batch_size: int
    seed: int
    shuffle: bool
    complete: bool
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise ConfigError(
                f"[inputter] expected at least one batch in an epoch, found {self.samples} images "
                f"for a global batch of {self.global_batch}. Lower batch_size_per_gpu or "
                "modeler.accumulate"
            )

    @property
    def global_batch(self) -> int:
        """Images a step on all ranks."""
        return self.batch_size * self.ranks

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which an epoch's samples are seen."""
        if self.complete:
            return -(-self.samples // self.global_batch)
        return self.samples // self.global_batch

    def ids(self, epoch: int, step: int) -> tuple[np.ndarray, int]:
        """The ids of one step.

        Returns:
            int64 [batch_size], and how many of the first ones count. Padding repeats id 0.

        Raises:
            IndexError: the step is not one of the epoch.
        """
        if not 0 <= step < self.steps_per_epoch:
            raise IndexError(
                f"[inputter] expected a step in [0, {self.steps_per_epoch}), found {step}"
            )
        begin = self.first_position(step)
        count = max(0, min(self.batch_size, self.samples - begin))
        if self.shuffle and count:
            ids = native.core().sample_order(self.seed, epoch, self.samples, begin, count)
        else:
            ids = np.arange(begin, begin + count, dtype=np.int64)
        if count < self.batch_size:
            ids = np.concatenate([ids, np.zeros(self.batch_size - count, np.int64)])
        return ids, count

    def first_position(self, step: int) -> int:
        """Where this rank's part of a step begins in the epoch's order."""
        return step * self.global_batch + self.rank * self.batch_size

    def id_at(self, epoch: int, position: int) -> int:
        """The id at a position of an epoch's order; behind the last one comes the first again."""
        position %= self.samples
        if not self.shuffle:
            return position
        return int(native.core().sample_order(self.seed, epoch, self.samples, position, 1)[0])


@dataclass(frozen=True)
class GoodOrder:
    """An order without some samples.

    Where images are shuffled, the place of a bad one goes to the next good one of the epoch's
    order; where every image counts once, it is given up, and the good ones move to the front.

    Attributes:
        order: of all samples.
        bad: their ids, not all there are.
    """

    order: Order
    bad: frozenset[int]

    @property
    def samples(self) -> int:
        """Images in the data set, the bad ones included."""
        return self.order.samples

    @property
    def batch_size(self) -> int:
        """Images a step on this rank."""
        return self.order.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which an epoch's samples are seen."""
        return self.order.steps_per_epoch

    def ids(self, epoch: int, step: int) -> tuple[np.ndarray, int]:
        """As `Order.ids`."""
        ids, count = self.order.ids(epoch, step)
        if not self.bad:
            return ids, count
        bad = [place for place in range(count) if int(ids[place]) in self.bad]
        if self.order.complete:
            good = np.delete(ids[:count], bad)
            return np.concatenate([good, np.zeros(len(ids) - len(good), np.int64)]), len(good)
        for place in bad:
            position = self.order.first_position(step) + place
            while int(ids[place]) in self.bad:
                position += 1
                ids[place] = self.order.id_at(epoch, position)
        return ids, count
