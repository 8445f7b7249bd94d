"""Ceilings: how fast the same steps are without what may bound them, by a few more of them.

They are made after the run's last step, and every variable gets its value back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lambda_fast import native
from lambda_fast.bottleneck import Ceilings
from lambda_fast.callback import Run
from lambda_fast.errors import UserError
from lambda_fast.inputter import Batch

MOST, FEWEST = 10, 3  # steps of one ceiling
SHORTEST_RUN = 10  # steps from which a mean is worth comparing
MOST_SECONDS = 3.0  # for all ceilings, or
MOST_SHARE = 0.01  # of the training, if that is more


def measure(run: Run, batch: Batch, steps: int, step_seconds: float) -> Ceilings:
    """Measures, if it takes no longer than a small share of the run. All ranks must call it.

    Args:
        run: that has done its last step.
        batch: of any step.
        steps: that the run took, the same on all ranks.
        step_seconds: that each took, the same on all ranks.
    """
    ranks = native.core().world()["ranks"]
    ahead = run.config.inputter.prefetch + 1  # batches that may be ready
    parts = 2 if ranks == 1 else 3
    seconds = max(MOST_SECONDS, MOST_SHARE * steps * step_seconds)
    count = min(MOST, int((seconds / max(step_seconds, 1e-9) - ahead) / parts) - 1)
    if steps < SHORTEST_RUN or count < FEWEST:
        return Ceilings()
    with _values_kept(run):
        alone = _of_a_step(run, batch, count)
        muted = None
        if ranks > 1:
            with _muted(run):
                muted = _of_a_step(run, batch, count)
    return Ceilings(alone, muted, _of_a_batch(run, ahead, count))


def _of_a_step(run: Run, batch: Batch, count: int) -> float:
    """Seconds of a step on this batch; the first one is not counted."""
    step, wait = run.modeler.train_step, run.modeler.step
    step(batch)
    return _seconds(lambda _: step(batch), wait, count)


def _of_a_batch(run: Run, ahead: int, count: int) -> float | None:
    """Seconds until the inputter has a batch, once none is ready any more."""
    newest: list[Batch] = []

    def take(number: int) -> None:
        newest[:] = [run.inputter.batch(*divmod(run.step + number, run.inputter.steps_per_epoch))]

    try:
        for number in range(ahead):
            take(number)
        return _seconds(
            lambda number: take(ahead + number), lambda: newest[0].sample_ids.numpy(), count
        )
    except UserError:  # an image that the run did not come to; it has no use for these batches
        return None


def _seconds(work: Callable[[int], object], wait: Callable[[], object], count: int) -> float:
    wait()
    begin = time.perf_counter()
    for number in range(count):
        work(number)
    wait()
    return (time.perf_counter() - begin) / count


@contextmanager
def _values_kept(run: Run) -> Iterator[None]:
    variables = run.modeler.variables()
    values = {name: np.array(variable.numpy()) for name, variable in variables.items()}
    try:
        yield
    finally:
        for name, variable in variables.items():
            variable.assign(values[name])


@contextmanager
def _muted(run: Run) -> Iterator[None]:
    core = native.core()
    run.modeler.step()  # no sum is under way
    core.barrier()
    core.mute_collectives(True)
    try:
        yield
    finally:
        run.modeler.step()
        core.mute_collectives(False)
        core.barrier()
