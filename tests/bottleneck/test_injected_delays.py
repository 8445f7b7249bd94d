"""A delay in each stage of the step is found there, with its size, and the remedy fits."""

import dataclasses
import itertools
import json
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import ranks
import tiny_modeler

from lambda_fast import checkpoint
from lambda_fast.bottleneck.report import text
from lambda_fast.build import find, recipe
from lambda_fast.callback import Callback
from lambda_fast.inputter import image_classification_csv_inputter
from lambda_fast.inputter.image_classification_csv_inputter import ImageClassificationCsvInputter
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network import resnet32
from lambda_fast.runner.collective import mpi_library
from lambda_fast.runner.runner import Runner
from tests.image_files import photo_set

DELAY = 0.1
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return photo_set(tmp_path_factory.mktemp("images"), 64, sizes=((32, 32),))


@pytest.fixture
def run_with(images, tmp_path, monkeypatch):
    """Trains a tiny network from image files, with something in the way."""

    def train(**fields):
        monkeypatch.setattr(resnet32, "net", tiny_modeler.net)
        base = recipe("cifar10")
        inputter = dataclasses.replace(
            base.inputter,
            name="image_classification_csv_inputter",
            dataset_meta=images,
            hold_out=0.0,
            **fields.pop("inputter", {}),
        )
        config = dataclasses.replace(
            base, model_dir=str(tmp_path), batch_size_per_gpu=8, epochs=3, inputter=inputter
        )
        feed = image_classification_csv_inputter.build(config, "train")
        modeler = ImageClassificationModeler(config, feed, "train")
        names = ("train_basic", "train_speed")
        callbacks = [find("callback", name)(config) for name in names]
        return Runner(config, feed, modeler, [*callbacks, *fields.get("callbacks", [])]).run()

    return train


def late(function, delay=DELAY):
    def delayed(*arguments, **options):
        time.sleep(delay)
        return function(*arguments, **options)

    return delayed


def has_its_size(seconds, delay=DELAY):
    """The delay itself and what a machine with other work adds to it; never less."""
    return 0.95 * delay <= seconds <= 1.6 * delay


def one_at_a_time(function):
    """In the order of the calls: a plain lock may pass over a caller for several turns."""
    turn, tickets, now = threading.Condition(), itertools.count(), 0

    def delayed(*arguments, **options):
        nonlocal now
        with turn:
            mine = next(tickets)
            turn.wait_for(lambda: now == mine)
        try:
            return late(function)(*arguments, **options)
        finally:
            with turn:
                now += 1
                turn.notify_all()

    return delayed


def test_a_slow_decoder(run_with, monkeypatch):
    slow = one_at_a_time(ImageClassificationCsvInputter._finish)
    monkeypatch.setattr(ImageClassificationCsvInputter, "_finish", slow)
    found = run_with(inputter={"threads": 1}).results["bottleneck"]
    assert found["bound"] == "input wait"
    # Batches are made during the steps; those that were made while the first one compiled, too.
    assert 0.75 * DELAY < found["step_seconds"] < 1.6 * DELAY
    assert found["stages"]["input wait"] > 0.5 * DELAY
    assert found["ceilings"]["steps_alone"] > 2 * found["images_per_second"]
    assert found["ceilings"]["input_alone"] == pytest.approx(8 / DELAY, rel=0.3)
    assert any("inputter.cache=memory" in change for change in found["changes"])


def test_a_slow_hand_over(run_with, monkeypatch):
    slow = late(image_classification_csv_inputter.to_tensor)
    monkeypatch.setattr(image_classification_csv_inputter, "to_tensor", slow)
    found = run_with().results["bottleneck"]
    assert found["bound"] == "hand-over"
    assert has_its_size(found["stages"]["hand-over"])
    assert found["ceilings"]["steps_alone"] > 2 * found["images_per_second"]


def test_a_slow_step_leaves_the_variables_as_they_were(run_with, monkeypatch, tmp_path):
    slow = late(ImageClassificationModeler.train_step)
    monkeypatch.setattr(ImageClassificationModeler, "train_step", slow)
    run = run_with()
    found = run.results["bottleneck"]
    assert found["bound"] == "compute"
    assert has_its_size(found["stages"]["compute"])
    assert found["ceilings"]["input_alone"] > 2 * found["images_per_second"]
    # Of the steps that were made to measure, nothing is left.
    saved = checkpoint.read(checkpoint.path_of(tmp_path, 24)).values
    kept = run.modeler.variables()
    assert saved.keys() == kept.keys()
    for name, value in saved.items():
        np.testing.assert_array_equal(value, np.asarray(kept[name]), err_msg=name)


class Sleeper(Callback):
    def after_step(self, run, report):
        time.sleep(DELAY)
        with run.pause():
            time.sleep(0.01)  # is no training


def test_a_slow_callback(run_with):
    found = run_with(callbacks=[Sleeper()]).results["bottleneck"]
    assert found["bound"] == "host gap"
    assert has_its_size(found["stages"]["host gap"])
    assert has_its_size(found["callbacks"]["Sleeper"])
    assert "Sleeper takes" in found["changes"][0]
    said = text(found)
    assert said.startswith("The host bounds this run: between steps it takes ")
    assert "host gap" in said and "steps on one batch" in said


def summary(folder, *settings, **environment):
    code, output, errors = ranks.run(folder, "runner.bottleneck=true", *settings, **environment)
    assert code == 0, output + errors
    found = json.loads((folder / "summary.json").read_text())["bottleneck"]
    assert found["sentence"] in output
    return found


def test_slow_sums_over_ranks(tmp_path):
    library = Path(mpi_library())
    header = next(library.parents[1].rglob("mpi_abi.h")).parent
    slow = tmp_path / "libslow_mpi.so"
    delay = DELAY / 2  # so that even a slow machine measures what steps take without it
    build = ["g++", "-shared", "-fPIC", f"-DDELAY={round(delay * 1e6)}", f"-I{header}"]
    link = [library, f"-Wl,-rpath,{library.parent}", "-o", slow]
    subprocess.run([*build, HERE / "slow_mpi.cc", *link], check=True)
    found = summary(tmp_path / "run", LAMBDA_FAST_MPI_LIBRARY=str(slow))
    assert found["bound"] == "collective"
    assert has_its_size(found["stages"]["collective"], delay)
    assert found["late_seconds"] < 0.3 * DELAY
    assert found["ceilings"]["without_collective"] > 2 * found["ceilings"]["steps_alone"]
    assert any("runner.wire=bfloat16" in change for change in found["changes"])


def test_a_late_rank(tmp_path):
    found = summary(tmp_path / "run", SLOW_INPUT=f"1:{DELAY}")
    assert (found["rank"], found["bound"]) == (1, "hand-over")
    assert has_its_size(found["stages"]["hand-over"])
    # Less what rank 0 does meanwhile: it alone logs and saves.
    assert 0.5 * DELAY < found["late_seconds"] < 1.5 * DELAY
    assert found["sentence"].startswith("Rank 1 is late: the others wait ")
    assert found["stages"]["collective"] < 0.3 * DELAY
