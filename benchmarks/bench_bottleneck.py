"""What the split of each step costs: the runner's loop on ResNet32, with it and without."""

import contextlib
import dataclasses
import io
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.images import cifar
from benchmarks.interleave import System
from lambda_fast import native
from lambda_fast.bottleneck.stage_clock import StageClock
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.data.cifar10 import CLASS_NAMES
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.runner.callbacks import callbacks_of
from lambda_fast.runner.runner import Runner

BATCH, IMAGES = 128, 4096
MOST = 0.01  # of a step
CALLS = 20_000
CALLBACKS = 10  # two hooks each
SYSTEMS = ("lambda_fast", "not_measured")
WORK = "bottleneck_report"


class NoClock:
    """Takes the place of the stage clock, and keeps nothing."""

    def __init__(self) -> None:
        self.callbacks: dict[str, float] = defaultdict(float)

    def step(self, *_: float, **__: float) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def samples(measure: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    images, labels, _ = cifar(IMAGES)

    def loop(name: str, clock: Any) -> System:
        folder = tmp_path_factory.mktemp(name)
        config = dataclasses.replace(
            recipe(), batch_size_per_gpu=BATCH, model_dir=str(folder), epochs=1_000_000
        )
        quiet = dataclasses.replace(config.runner, bottleneck=False)
        config = dataclasses.replace(config, runner=quiet)
        order = Order(samples=IMAGES, batch_size=BATCH, seed=0, shuffle=True, complete=False)
        inputter = InMemoryInputter(images, labels, CLASS_NAMES, order)
        modeler = ImageClassificationModeler(config, inputter, "train")
        callbacks = callbacks_of(config, "train")
        runner = Runner(config, inputter, modeler, callbacks)
        runner._clock = clock
        run = runner._run
        run.say = lambda _: None
        with contextlib.redirect_stdout(io.StringIO()):
            for callback in runner._callbacks:
                callback.before_run(run)

        def step() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                runner._step(run)

        return System(name=name, step=step, images=BATCH)

    return measure(
        {
            "lambda_fast": lambda: loop("lambda_fast", StageClock()),
            "not_measured": lambda: loop("not_measured", NoClock()),
        }
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_bottleneck_report(samples: Any, system: str, record: Callable[..., None]):
    """All default callbacks on. The clock's own time, which noise cannot hide, is what counts."""
    found = samples[system]
    facts = {}
    if system == "lambda_fast":
        share = clock_seconds() / found.step_seconds
        facts = {"clock_share": share}
        assert share < MOST, f"expected less than {MOST:.0%} of a step, found {share:.2%}"
    record(found, WORK, f"batch {BATCH}", **facts)


def clock_seconds() -> float:
    """Of a step, for all that the runner does for the split."""
    clock, core, now = StageClock(), native.core(), time.perf_counter
    times = []
    for _ in range(CALLS):
        begin = now()
        end = now()
        had = now()
        summed = core.collective_seconds()
        clock.step(
            begin,
            had,
            end,
            handover=0.0,
            collective=core.collective_seconds() - summed,
            paused=0.0,
        )
        for _ in range(2 * CALLBACKS):
            clock.callbacks["callback"] += now() - begin - (0.0 - 0.0)
        times.append(now() - begin)
    return float(np.median(times))
