"""Ceilings: how fast the same steps are without what may bound them, by a few more of them.

They are made after the run's last step, and every variable gets its value back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from lambda_fast import native
from lambda_fast.bottleneck import Ceilings
from lambda_fast.callback import Run
from lambda_fast.inputter import Batch

MOST, FEWEST = 10, 3  # steps of one ceiling
MOST_SECONDS = 2.0  # for all ceilings, or
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
    if count < FEWEST:
        return Ceilings()
    of_input = _of_a_batch(run, ahead, count, time.perf_counter() + seconds)
    run.inputter.close()  # what it has begun would work beside the steps
    with _values_kept(run):
        alone = _of_a_step(run, batch, count)
        muted = None
        if ranks > 1:
            with _muted(run):
                muted = _of_a_step(run, batch, count)
    return Ceilings(alone, muted, of_input)


def _of_a_step(run: Run, batch: Batch, count: int) -> float:
    """Seconds of a step on this batch; the first one is not counted."""
    step, wait = run.modeler.train_step, run.modeler.step
    step(batch)
    wait()
    begin = time.perf_counter()
    for _ in range(count):
        step(batch)
    wait()
    return (time.perf_counter() - begin) / count


def _of_a_batch(run: Run, ahead: int, count: int, deadline: float) -> float | None:
    """Seconds until the inputter has a batch, once none is ready any more; none if that is late.

    The median over all pairs of batches (Theil and Sen's slope): where this process did not run for
    a moment, the inputter went on, and batches seem to come faster or slower than they do.
    """
    steps = range(run.step, run.step + ahead + count)
    times = []
    try:
        for step in steps:
            batch = run.inputter.batch(*divmod(step, run.inputter.steps_per_epoch))
            batch.sample_ids.numpy()  # waits for the device
            times.append(time.perf_counter())
            if times[-1] > deadline:
                break
    except Exception:  # a batch that the run did not come to must not end it
        return None
    taken = np.array(times[ahead - 1 :])
    if len(taken) <= FEWEST:
        return None
    earlier, later = np.triu_indices(len(taken), 1)
    return float(np.median((taken[later] - taken[earlier]) / (later - earlier)))


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
