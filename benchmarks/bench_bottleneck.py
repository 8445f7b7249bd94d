"""What the split of each step by stage costs: the runner's loop with it, and a loop without."""

import contextlib
import dataclasses
import io
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.images import cifar
from benchmarks.interleave import System
from lambda_fast.callback import Callback, StepReport
from lambda_fast.config import Config
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.data.cifar10 import CLASS_NAMES
from lambda_fast.inputter import Batch
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.runner.callbacks import callbacks_of
from lambda_fast.runner.runner import Runner

BATCH, IMAGES = 128, 4096
MOST = 0.01  # of a step
STEPS = 2_000  # without a network
SYSTEMS = ("lambda_fast", "not_measured")
WORK = "bottleneck_report"


def plain_step(runner: Runner) -> None:
    """A step as the runner makes it, without a look at the clock."""
    run = runner._run
    for callback in runner._callbacks:
        callback.before_step(run)
    run.tell("input")
    epoch, index = divmod(run.step, run.inputter.steps_per_epoch)
    batch = run.inputter.batch(epoch, index)
    run.tell("compile" if run.step == run.first_step else "step")
    outputs = run.modeler.train_step(batch)
    run.step += 1
    report = StepReport(run.step, epoch, outputs, batch.count, 0.0, 0.0, batch)
    for callback in runner._callbacks:
        callback.after_step(run, report)


STEP = {"lambda_fast": lambda runner: runner._step(runner._run), "not_measured": plain_step}


@pytest.fixture(scope="module")
def samples(measure: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both loops drive the same inputter and modeler."""
    images, labels, _ = cifar(IMAGES)
    order = Order(samples=IMAGES, batch_size=BATCH, seed=0, shuffle=True, complete=False)
    inputter = InMemoryInputter(images, labels, CLASS_NAMES, order)
    modeler = ImageClassificationModeler(_config(""), inputter, "train")

    def loop(name: str) -> System:
        config = _config(str(tmp_path_factory.mktemp(name)))
        runner = Runner(config, inputter, modeler, callbacks_of(config, "train"))
        runner._run.say = lambda _: None
        with contextlib.redirect_stdout(io.StringIO()):
            for callback in runner._callbacks:
                callback.before_run(runner._run)

        def step() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                STEP[name](runner)

        return System(name=name, step=step, images=BATCH)

    return measure({name: lambda name=name: loop(name) for name in SYSTEMS})


@pytest.mark.parametrize("system", SYSTEMS)
def test_bottleneck_report(samples: Any, system: str, record: Callable[..., None]):
    """All default callbacks on. What counts is the split's own time, which noise cannot hide."""
    found, facts = samples[system], {}
    if system == "lambda_fast":
        share = split_seconds() / found.step_seconds
        assert share < MOST, f"expected less than {MOST:.0%} of a step, found {share:.2%}"
        facts = {"split_share": share}
    record(found, WORK, f"batch {BATCH}", **facts)


def split_seconds() -> float:
    """Of a step: what the two loops differ by where inputter, network and callbacks do nothing."""
    batch = Batch(None, None, None, None, BATCH)
    inputter = SimpleNamespace(steps_per_epoch=IMAGES // BATCH, batch=lambda epoch, step: batch)
    modeler = SimpleNamespace(train_step=lambda batch: {}, step=lambda: 0)
    modeler.guard = SimpleNamespace(look=lambda: None)
    config = _config("")
    idle = [Callback() for _ in config.callback.names]
    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    runners = {name: Runner(config, inputter, modeler, idle) for name in SYSTEMS}
    for _ in range(STEPS):
        for name, step in STEP.items():
            begin = time.perf_counter()
            step(runners[name])
            seconds[name].append(time.perf_counter() - begin)
    with_it, without = (float(np.median(seconds[name])) for name in SYSTEMS)
    return with_it - without


def _config(folder: str) -> Config:
    """Endless, so that neither an evaluation nor the report comes."""
    config = dataclasses.replace(
        recipe(), batch_size_per_gpu=BATCH, model_dir=folder, epochs=1_000_000
    )
    return dataclasses.replace(
        config, callback=dataclasses.replace(config.callback, save_checkpoints_steps=1 << 30)
    )
