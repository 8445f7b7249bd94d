"""The verdict: which stage bounds the run, what it costs, and how fast the run is without it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lambda_fast.bottleneck import COLLECTIVE, COMPUTE, GAP, HANDOVER, INPUT, Ceilings, Split

COUNTS = 0.1  # share of a step from which input bounds the run
CONTENDS = 0.1  # share by which a step must be slower beside the inputter's threads


@dataclass(frozen=True)
class Verdict:
    """What bounds the run.

    Attributes:
        bound: a stage.
        rank: the slowest one, for which the others wait, where there are several.
        split: of that rank.
        ceilings: the slowest ones of all ranks.
        late_seconds: of a step that the other ranks wait for the slowest.
        contended_seconds: by which steps are slower beside the inputter's threads, which work on
            the same cores, than alone.
    """

    bound: str
    rank: int
    split: Split
    ceilings: Ceilings
    late_seconds: float = 0.0
    contended_seconds: float = 0.0

    @property
    def cost(self) -> float:
        """Seconds of a step that the bound takes."""
        return self.split.stages[self.bound] + self.contended_seconds * (self.bound == INPUT)

    @property
    def ceiling(self) -> float | None:
        """Seconds of a step without the bound, as measured."""
        found = self.ceilings
        if self.bound == COMPUTE:
            return found.input_alone
        return found.without_collective if self.bound == COLLECTIVE else found.steps_alone


def verdict(splits: Sequence[Split], ceilings: Sequence[Ceilings], shares_cores: bool) -> Verdict:
    """Names what bounds a run.

    Batches are made ahead, beside the steps, so one that is waited for says that the input is
    slower than the steps: it bounds the run however long the steps are. The other stages come one
    after the other, and the longest one bounds.

    Args:
        splits: of each rank.
        ceilings: of each rank.
        shares_cores: whether threads of the inputter work beside the steps, on the same cores.
    """
    # Who waits least in the sums comes last to them.
    rank = min(range(len(splits)), key=lambda each: splits[each].stages[COLLECTIVE])
    split, slowest = splits[rank], _slowest(ceilings)
    waits = [each.stages[COLLECTIVE] for each in splits]
    others = [*waits[:rank], *waits[rank + 1 :]]
    late = statistics.mean(others) - waits[rank] if others else 0.0
    contended = 0.0
    if shares_cores and slowest.steps_alone is not None and slowest.input_alone is not None:
        beside = split.stages[COMPUTE] + split.stages[COLLECTIVE]
        # The inputter cannot have cost more than it needs; what else came in between is not its.
        more = min(beside - slowest.steps_alone, slowest.input_alone)
        contended = more if more > CONTENDS * split.step_seconds else 0.0
    if split.stages[INPUT] + contended >= COUNTS * split.step_seconds:
        bound = INPUT
    else:
        others = {stage: split.stages[stage] for stage in (HANDOVER, COMPUTE, COLLECTIVE, GAP)}
        bound = max(others, key=others.__getitem__)
    return Verdict(bound, rank, split, slowest, late, contended)


def _slowest(ceilings: Sequence[Ceilings]) -> Ceilings:
    """Of all ranks, number by number; none where a rank has none."""

    def slowest(name: str) -> float | None:
        found = [getattr(each, name) for each in ceilings]
        return None if None in found else max(found)

    return Ceilings(slowest("steps_alone"), slowest("without_collective"), slowest("input_alone"))
