"""What finds out at the end of a run what bounded it; on every rank, told by rank 0."""

from __future__ import annotations

import dataclasses
from typing import Any

from lambda_fast import native
from lambda_fast.bottleneck import Ceilings, Split, ceilings, report
from lambda_fast.bottleneck.changes import changes, here
from lambda_fast.bottleneck.stage_clock import StageClock
from lambda_fast.bottleneck.verdict import verdict
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.runner.agreement import from_rank

SHORTEST = 10  # steps; the mean of fewer says little


class Bottleneck(Callback):
    """Puts what `report.facts` gives into `run.results["bottleneck"]`.

    Nothing is said of a run that was stopped before its last step, or of one with fewer than
    `SHORTEST` steps that count. What the inputter makes in the background ends.

    Args:
        clock: that the runner keeps.
    """

    def __init__(self, clock: StageClock) -> None:
        self._clock = clock
        self._last: StepReport | None = None

    def after_step(self, run: Run, report: StepReport) -> None:
        """Keeps the last step's batch."""
        if run.is_complete():
            self._last = report

    def after_run(self, run: Run) -> None:
        """Compares the ranks, makes a few steps more, and says what bounds the run."""
        if self._last is None or self._last.batch is None:
            return
        run.tell("find what bounds the run")
        splits = [Split(**each) for each in _of_all_ranks(dataclasses.asdict(self._clock.split()))]
        steps = min(split.steps for split in splits)
        if steps < SHORTEST:
            return
        step_seconds = max(split.step_seconds for split in splits)
        device = here()
        own = ceilings.measure(run, self._last.batch, steps, step_seconds)
        found = verdict(
            splits,
            [Ceilings(**each) for each in _of_all_ranks(dataclasses.asdict(own))],
            shares_cores=run.config.inputter.name != "in_memory_inputter" and not device.gpus,
        )
        helps = changes(found.bound, found.split, run.config, device)
        run.results["bottleneck"] = report.facts(found, self._last.images, helps)


def _of_all_ranks(own: dict[str, Any]) -> list[dict[str, Any]]:
    """What each rank has. All ranks must call it."""
    world = native.core().world()
    rank, ranks = world["rank"], world["ranks"]
    if ranks == 1:
        return [own]
    return [from_rank(each, own if each == rank else None) for each in range(ranks)]
