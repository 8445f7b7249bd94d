"""Times several systems that do the same work, in turns, so that all see the same machine.

A round is one block of steps of A, then of B, then of C. Whatever else the machine does meanwhile,
clock speed included, falls on all of them alike, and ratios stay true where absolute numbers drift.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

QUIET_SECONDS = 0.15  # lets the previous system's prefetching and spinning threads come to rest
SETTLE_SECONDS = 0.1  # of untimed steps before each block, which fill the caches again
PREFETCHED = 8  # more steps than any pipeline here holds ready


@dataclass(frozen=True, kw_only=True)
class System:
    """One way to do the work.

    Attributes:
        name: as reports show it.
        step: does one unit of the work; returns when its result lies in memory.
        images: that a step works on.
        prefetched: steps whose results a pipeline may hold ready. So many are taken from it before
            each block, and a block is at least twice as long.
        as_array: turns a step's result into an array, for checks; never timed.
        facts: more to record: the variant, the precision.
    """

    name: str
    step: Callable[[], Any]
    images: int
    prefetched: int = 0
    as_array: Callable[[Any], np.ndarray] = np.asarray
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pace:
    """How long to measure: `rounds` blocks of about `seconds` each."""

    rounds: int
    seconds: float


PACES = {"full": Pace(15, 1.0), "quick": Pace(6, 0.25)}


@dataclass(frozen=True)
class Samples:
    """What was measured of one system.

    Attributes:
        system: it.
        steps: in each block.
        seconds: of each block, one a round.
        others: share of the machine that other processes used meanwhile, where known.
    """

    system: System
    steps: int
    seconds: tuple[float, ...]
    others: float | None = None

    @property
    def images_per_second(self) -> float:
        """At the median block."""
        return self.steps * self.system.images / statistics.median(self.seconds)

    @property
    def step_seconds(self) -> float:
        """At the median block."""
        return statistics.median(self.seconds) / self.steps

    @property
    def spread(self) -> float:
        """Interquartile range of the blocks over their median."""
        if len(self.seconds) < 2:
            return 0.0
        low, middle, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / middle


def is_quick() -> bool:
    """Whether LAMBDA_FAST_BENCH asks for few rounds."""
    return mode() == "quick"


def mode() -> str:
    """LAMBDA_FAST_BENCH: full or quick."""
    found = os.environ.get("LAMBDA_FAST_BENCH", "full")
    if found not in PACES:
        raise ValueError(f"[LAMBDA_FAST_BENCH] expected one of {', '.join(PACES)}; found {found!r}")
    return found


def interleave(systems: Sequence[System], pace: Pace) -> list[Samples]:
    """Warms all systems up, then measures them block by block in turn.

    Args:
        systems: that do the same work.
        pace: how long.

    Returns:
        The samples of each system, in the order given.
    """
    plans = [_plan(system, pace.seconds) for system in systems]
    seconds: list[list[float]] = [[] for _ in systems]
    gc.collect()
    gc.freeze()  # networks and programs are millions of objects, which a collection would visit
    try:
        for _ in range(pace.rounds):
            for system, (settle, steps), found in zip(systems, plans, seconds, strict=True):
                gc.collect()
                time.sleep(QUIET_SECONDS)
                _block(system, settle)
                found.append(_block(system, steps))
    finally:
        gc.unfreeze()
    return [
        Samples(system, steps, tuple(found))
        for system, (_, steps), found in zip(systems, plans, seconds, strict=True)
    ]


def _plan(system: System, seconds: float) -> tuple[int, int]:
    """Warms up, which compiles and fills caches; then fits two numbers of steps to the time.

    Returns:
        Untimed steps before a block, and the steps in it. A step that takes longer than
        `SETTLE_SECONDS` by itself needs none before it.
    """
    _block(system, 1 + system.prefetched)
    count = 1
    while (took := _block(system, count)) < min(seconds, SETTLE_SECONDS):
        count *= 2
    step = took / count
    settle = max(system.prefetched, int(SETTLE_SECONDS / step))
    return settle, max(1, 2 * system.prefetched, round(seconds / step))


def _block(system: System, steps: int) -> float:
    step = system.step
    gc.disable()
    try:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - begin
    finally:
        gc.enable()
