"""One training step of ResNet32 on two ranks of one thread each, beside one rank of two threads.

Both have the same two cores and the same global batch of 128. The two worlds are processes of their
own that work in turns; who is not at work sleeps.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.interleave import PACES, Pace, Samples, System, is_quick, mode
from benchmarks.programs import python_path
from benchmarks.quiet import Watch
from benchmarks.train_ranks import GLOBAL_BATCH
from lambda_fast.modeler.first_network import chosen_precision
from lambda_fast.runner.launching import mpiexec

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS = {"lambda_fast": 2, "one_rank": 1}
CORES = 2
PRECISIONS = [chosen_precision("auto")] if is_quick() else ["float32", "bfloat16"]
WARM_UP = 3


class Ranks:
    """A world that waits for orders.

    Args:
        ranks: how many.
        precision: of the training.
        cores: that they share.
    """

    def __init__(self, ranks: int, precision: str, cores: list[int]) -> None:
        start = [mpiexec(), "-localhost", "127.0.0.1", "-n", str(ranks)] if ranks > 1 else []
        environment = {"PYTHONPATH": python_path(), "CUDA_VISIBLE_DEVICES": "-1"}
        self._process = subprocess.Popen(
            [*start, sys.executable, str(ROOT / "benchmarks/train_ranks.py"), precision],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def __enter__(self) -> "Ranks":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        finally:
            self._process.kill()

    def ask(self, what: str, times: int) -> tuple[float, float]:
        """Seconds for so many steps or collectives, and the last loss."""
        self._process.stdin.write(f"{json.dumps([what, times])}\n")
        self._process.stdin.flush()
        return tuple(json.loads(self._process.stdout.readline()))


@pytest.fixture(scope="module", params=PRECISIONS)
def measured(request: pytest.FixtureRequest) -> tuple[str, dict[str, Samples]]:
    """Samples of both worlds, and in the facts of the two ranks the collective's share."""
    precision = request.param
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    if len(cores) < CORES:
        pytest.skip(f"two ranks of one thread each need {CORES} cores, found {len(cores)}")
    pace = PACES[mode()]
    if request.config.getoption("benchmark_disable"):
        pace = Pace(1, 0.0)
    with Watch() as watch, ExitStack() as held:
        worlds = {
            name: held.enter_context(Ranks(ranks, precision, cores))
            for name, ranks in SYSTEMS.items()
        }
        steps, losses = {}, {}
        for name, world in worlds.items():
            losses[name] = world.ask("step", 1)[1]
            assert 1.5 < losses[name] < 4.0, f"{name}: a loss about ln 10, found {losses[name]}"
            took = world.ask("step", WARM_UP)[0] / WARM_UP
            steps[name] = max(1, round(pace.seconds / took))
        seconds: dict[str, list[float]] = {name: [] for name in worlds}
        for _ in range(pace.rounds):
            for name, world in worlds.items():
                world.ask("step", 1)  # fills the caches again
                seconds[name].append(world.ask("step", steps[name])[0])
        collective = min(worlds["lambda_fast"].ask("all_reduce", 20)[0] / 20 for _ in range(5))
    samples = {}
    for name, ranks in SYSTEMS.items():
        facts = {"ranks": ranks, "batch": GLOBAL_BATCH, "how": f"{CORES // ranks} threads a rank"}
        system = System(name=name, step=lambda: None, images=GLOBAL_BATCH, facts=facts)
        samples[name] = Samples(system, steps[name], tuple(seconds[name]), watch.others)
    ours = samples["lambda_fast"]
    share = collective / ours.step_seconds
    ours.system.facts.update(collective_ms=collective * 1e3, collective_share=share)
    return precision, samples


@pytest.mark.parametrize("system", SYSTEMS)
def test_train_step_resnet32_ranks(measured: Any, system: str, record: Callable[..., None]):
    """The collective is timed alone, on arrays as the step's, while both ranks are there."""
    precision, samples = measured
    record(samples[system], "train_step_resnet32_ranks", precision)
