"""The bottleneck report: what bounds a run's speed, found while it trains, and what to change.

`StageClock` splits each step while it runs, `ceilings` makes a few steps more at the end, `verdict`
names what bounds the run, `changes` says which fields help, `Bottleneck` puts it all together.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT, HANDOVER, COMPUTE, COLLECTIVE, GAP = STAGES = (
    "input wait",
    "hand-over",
    "compute",
    "collective",
    "host gap",
)


@dataclass(frozen=True)
class Split:
    """Where the time of one rank's steps went, on average; the first steps are left out.

    Attributes:
        steps: that were counted.
        step_seconds: from one step to the next; checkpoints and evaluations are left out.
        stages: seconds of a step by stage; together they are `step_seconds`.
        callbacks: seconds of a step by callback: most of the host gap.
    """

    steps: int
    step_seconds: float
    stages: dict[str, float]
    callbacks: dict[str, float]


@dataclass(frozen=True)
class Ceilings:
    """What a few steps after the run's last one found; a number that was not measured is none.

    Attributes:
        steps_alone: seconds of a step on one batch that is at hand: neither input nor callbacks.
        without_collective: likewise, with nothing sent between ranks.
        input_alone: seconds of a batch, when nothing else runs.
    """

    steps_alone: float | None = None
    without_collective: float | None = None
    input_alone: float | None = None
