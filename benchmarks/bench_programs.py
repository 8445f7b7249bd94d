"""Whole programs: a training end to end with its accuracy, and the seconds to the first step.

Each start is a process of its own; the systems take turns. A start that trains for the one work is
a start like any other for the other.
"""

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest
import tensorflow as tf

from benchmarks import cifar_part
from benchmarks.images import cifar
from benchmarks.interleave import Samples, System, is_quick
from benchmarks.programs import Program, Ran, ours, peer, run
from benchmarks.quiet import Watch
from lambda_fast.config import Config
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.modeler.first_network import chosen_precision

PROGRAMS: dict[str, Program] = {
    "lambda_fast": ours,
    "keras_fit": peer("keras_program"),
    "torch": peer("torch_program"),
}
HOW = {
    "lambda_fast": "python -m lambda_fast.train, all default callbacks",
    "keras_fit": "tf.data and fit",
    "torch": "eager",
}
TRAINED = ("lambda_fast", "keras_fit")
BATCH, PARAMETERS = 128, 464_154
LEARNING_RATE = 0.1  # lower than the recipe's, because there are few steps to warm up in
PRECISION = chosen_precision(recipe().modeler.precision)
SHORT = 2  # steps of a start that is only timed to its first one
LEARNED, APART = 0.3, 0.1  # least accuracy, where chance gives 0.1; most between the systems' means


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        images: of an epoch.
        tests: others, to evaluate on afterwards; none: no evaluation.
        epochs: of a start that trains.
        starts: of each system; PyTorch's make the first steps alone.
    """

    images: int
    tests: int
    epochs: int
    starts: int


FULL = Size(images=50 * BATCH, tests=2_000, epochs=2, starts=6)
QUICK = Size(images=8 * BATCH, tests=0, epochs=1, starts=1)


@dataclasses.dataclass(frozen=True)
class Starts:
    """What all processes did.

    Attributes:
        size: how much was trained.
        found: of each system one entry a round, or why it is left out.
        others: share of the machine that other processes used meanwhile, where known.
    """

    size: Size
    found: dict[str, list[Ran] | str]
    others: float | None

    def samples(self, system: System, steps: int, seconds: Sequence[float]) -> Samples:
        """Of one system."""
        return Samples(system, steps, tuple(seconds), self.others)


@pytest.fixture(scope="module")
def starts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Starts:
    """Runs the programs that the selected tests need, in turns, and checks what they did."""
    items = [item for item in request.session.items if item.path == request.path]
    works = {item.originalname for item in items}
    chosen = {item.callspec.params["system"] for item in items}
    size = QUICK if is_quick() or request.config.getoption("benchmark_disable") else FULL
    if request.config.getoption("benchmark_disable"):
        size = dataclasses.replace(size, starts=1)
    trains = "test_end_to_end" in works
    data = tmp_path_factory.mktemp("data")
    _write(data, size)
    found: dict[str, Any] = {name: [] for name in PROGRAMS if name in chosen}
    if "torch" in found and tf.config.list_physical_devices("GPU"):
        found["torch"] = "the program of PyTorch is one for CPUs"
    elif "torch" in found and not _installed("torch"):
        found["torch"] = "PyTorch is not installed: pip install -e '.[peers]'"
    with Watch() as watch:
        for number in range(size.starts):
            config = _config(size, number, trains)
            for name in [name for name in found if isinstance(found[name], list)]:
                out = tmp_path_factory.mktemp(name) / "run"
                found[name].append(run(PROGRAMS[name], config, data, out))
    _check({name: each for name, each in found.items() if isinstance(each, list)})
    return Starts(size, found, watch.others)


@pytest.mark.parametrize("system", TRAINED)
def test_end_to_end(starts: Starts, system: str, record: Callable[..., None]):
    """images/s from the first step's end to the last one's, whatever the program does meanwhile."""
    size = starts.size
    ran = starts.found[system]
    steps = size.epochs * size.images // BATCH - 1
    facts = {
        "how": HOW[system],
        "precision": PRECISION,
        "batch": BATCH,
        "epochs": size.epochs,
        "wall_seconds": median(each.wall for each in ran),
    }
    if size.tests:
        facts["accuracy"] = _accuracy(ran)
        facts["accuracies"] = [each.accuracy for each in ran]
    whole = System(name=system, step=lambda: None, images=BATCH, facts=facts)
    samples = starts.samples(whole, steps, [each.steady for each in ran])
    record(samples, "end_to_end", f"cifar10, {size.epochs} epochs of {size.images} images")


@pytest.mark.parametrize("system", PROGRAMS)
def test_cold_start(starts: Starts, system: str, record: Callable[..., None]):
    """Seconds from the start of the process: imports, data, building, compiling, one step."""
    ran = starts.found[system]
    if isinstance(ran, str):
        record(ran, "cold_start", "")
    seconds = [each.first for each in ran]
    facts = {"how": HOW[system], "precision": PRECISION, "batch": BATCH}
    facts |= {"seconds": median(seconds), "starts_per_second": 1 / median(seconds)}
    start = System(name=system, step=lambda: None, images=1, facts=facts)
    record(starts.samples(start, 1, seconds), "cold_start", "resnet32 on cifar10")


def _write(folder: Path, size: Size) -> None:
    """Training images, and others to evaluate on, which nobody trains on."""
    images, labels, _ = cifar(size.images + size.tests)
    for split, part in (("train", slice(size.images)), ("eval", slice(size.images, None))):
        cifar_part.write(folder, split, images[part], labels[part])


def _installed(package: str) -> bool:
    """Told by importing it, which also brings its files into the system's cache as ours are."""
    found = subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True)
    return found.returncode == 0


def _config(size: Size, number: int, trains: bool) -> Config:
    """The recipe of one start, whose seed is its number."""
    config = recipe()
    modeler = dataclasses.replace(
        config.modeler,
        precision=PRECISION,
        learning_rate=LEARNING_RATE,
        warmup_epochs=size.epochs / 4,
    )
    config = dataclasses.replace(
        config, seed=number, batch_size_per_gpu=BATCH, epochs=size.epochs, modeler=modeler
    )
    if trains and size.tests:
        return config
    names = tuple(name for name in config.callback.names if name != "train_eval")
    callback = dataclasses.replace(config.callback, names=names)
    return dataclasses.replace(config, max_step=None if trains else SHORT, callback=callback)


def _check(found: dict[str, list[Ran]]) -> None:
    """The same network, a loss at first as weights by He give it, and alike accuracies at last."""
    for name, ran in found.items():
        for each in ran:
            assert each.parameters == PARAMETERS, f"{name}: {each}"
            assert 1.5 < each.loss < 10.0, f"{name}: a first loss of a few, found {each.loss}"
    tested = {
        name: _accuracy(ran) for name, ran in found.items() if ran and ran[0].accuracy is not None
    }
    for name, accuracy in tested.items():
        assert accuracy > LEARNED, f"{name}: expected to learn, found {accuracy:.1%} right"
    if tested:
        assert max(tested.values()) - min(tested.values()) < APART, tested


def _accuracy(ran: Sequence[Ran]) -> float:
    """The mean of those that evaluated."""
    return fmean(each.accuracy for each in ran if each.accuracy is not None)
