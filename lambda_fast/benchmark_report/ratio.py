"""How many times as fast one system is as another, and how sure that is.

A round is a block of each system in turn, so what disturbs the machine for longer than a round
falls on all of them. The interval is the 95 % percentile bootstrap (Efron, 1979) of the ratio of
medians: rounds are drawn again, with replacement, and a drawn round brings the blocks of all its
systems. What they have in common thereby stays in common, and cancels.

It is assumed that rounds are independent of each other and alike: no trend that lasts for many
rounds and falls on one system alone. The interval tells the noise within a run; whatever differs
between runs, as memory layout does, it cannot know. Systems that ran apart (`paired` is false, or
another number of rounds) are drawn independently, and whatever the machine did between them counts
as theirs. Of fewer than `LEAST_ROUNDS` rounds no interval is made: a median lies between the least
and the greatest of five values with a probability of 94 % alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lambda_fast.benchmark_report.record import Record

LEAST_ROUNDS = 6
DRAWS = 4000
SEED = 0
SURE = (2.5, 97.5)  # percentiles


@dataclass(frozen=True)
class Estimate:
    """A ratio and its interval, none where there were too few rounds.

    Attributes:
        value: of the medians as measured.
        low: end of the interval.
        high: the other.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return shown(self.value)
        return f"{shown(self.value)} ({shown(self.low)}–{shown(self.high)})"  # noqa: RUF001


def shown(ratio: float) -> str:
    """With as many digits as mean something."""
    return f"{ratio:,.{2 if ratio < 9.995 else 1 if ratio < 99.95 else 0}f}"


def enough(record: Record) -> bool:
    """Whether an interval can be made."""
    return len(record.seconds) >= LEAST_ROUNDS


def ratio(ours: Record, other: Record) -> Estimate:
    """How many times as fast ours is as another of the same run."""
    return _estimate([(ours, other, SEED, 1)])


def change(base: Sequence[tuple[Record, Record]], new: Sequence[tuple[Record, Record]]) -> Estimate:
    """How the ratio of ours to others changed between two runs.

    Args:
        base: pairs of ours and another.
        new: the pairs of the same systems in the other run.

    Returns:
        The geometric mean over the pairs of new ratio over base ratio; above 1: ours got faster.
    """
    terms = [(ours, other, SEED, -1) for ours, other in base]
    terms += [(ours, other, SEED + 1, 1) for ours, other in new]
    return _estimate(terms, root=len(base))


def absolute_change(base: Record, new: Record) -> Estimate:
    """How the speed itself changed, whatever the machine was doing."""
    value = new.rate / base.rate
    before, after = _drawn(base, SEED), _drawn(new, SEED + 1)
    if before is None or after is None:
        return Estimate(value, None, None)
    return Estimate(value, *_ends(before / after))


def _estimate(terms: Sequence[tuple[Record, Record, int, int]], root: int = 1) -> Estimate:
    """Of the product of ratios, each with its seed and to its power, to the root."""
    value, drawn, enough = 0.0, np.zeros(DRAWS), True
    for ours, other, seed, power in terms:
        value += power * math.log(ours.rate / other.rate)
        above, below = _drawn(other, seed), _drawn(ours, seed)
        if above is None or below is None:
            enough = False
        else:
            drawn += power * np.log(above / below)
    value = math.exp(value / root)
    return Estimate(value, *_ends(np.exp(drawn / root))) if enough else Estimate(value, None, None)


def _drawn(record: Record, seed: int) -> np.ndarray | None:
    """Medians over drawn rounds.

    The draws depend on seed and number of rounds alone, so all that were paired share them.

    Returns:
        Seconds for one image or gigabyte, float64 [DRAWS]; none of too few rounds.
    """
    rounds = len(record.seconds)
    if not enough(record):
        return None
    key = [seed, rounds] if record.paired else [seed, rounds, zlib.crc32(record.system.encode())]
    chosen = np.random.default_rng(key).integers(0, rounds, (DRAWS, rounds))
    return np.median(np.array(record.seconds)[chosen], axis=1) / record.step_amount


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(drawn, SURE)
    return float(low), float(high)
