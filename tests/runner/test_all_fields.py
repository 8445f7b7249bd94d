"""Adam, clipping, averages, accumulation, mixing and the best checkpoint in one run, resumed."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from ranks import ROOT, TINY, run

from lambda_fast import checkpoint

FIELDS = (
    "gpu_count=1",
    "epochs=3",
    "modeler.optimizer=adam",
    "modeler.learning_rate=0.003",
    "modeler.accumulate=2",
    "modeler.ema=0.95",
    "modeler.clip_norm=1",
    "modeler.mixup=0.2",
    "modeler.cutmix=1",
    "callback.save_checkpoints_steps=5",
    "callback.keep_best=true",
    "callback.eval_every_epochs=1",
)
STEPS = 36  # 200 images, 16 a step, three epochs


def newest(folder):
    return checkpoint.read(checkpoint.path_of(folder, checkpoint.all_steps(folder)[-1]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields") / "run"
    code, output, errors = run(folder, *FIELDS)
    assert code == 0, output + errors
    return folder, output


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_killed_run_with_all_of_them_ends_with_the_same_bits(whole, tmp_path):
    folder = tmp_path / "run"
    code, output, errors = run(folder, *FIELDS, KILL_AFTER="28")
    assert code == -signal.SIGKILL, output + errors
    assert newest(folder).step == 25
    code, output, errors = run(folder, *FIELDS)
    assert code == 0, output + errors
    assert f"Going on from step 25 of {STEPS}" in output
    for place in ("", "best"):
        one, other = newest(whole[0] / place), newest(folder / place)
        assert one.step == other.step
        assert one.values.keys() == other.values.keys()
        for name, value in one.values.items():
            assert value.tobytes() == other.values[name].tobytes(), name
    kinds = {name.partition("/")[0] for name in one.values}
    assert kinds == {"model", "optimizer", "ema"}
    assert sum("moving_mean" in name for name in one.values) == 2 * 7
    assert sum(name.startswith("optimizer/") for name in one.values) == 2 + 2 * 23


def test_the_best_is_kept_told_and_evaluated(whole):
    folder, output = whole
    accuracies = {
        line["step"]: line["eval_accuracy"] for line in lines(folder) if "eval_accuracy" in line
    }
    best = max(accuracies.values())
    first = min(step for step, accuracy in accuracies.items() if accuracy == best)
    assert checkpoint.all_steps(folder / "best") == [first]
    assert newest(folder / "best").facts["eval_accuracy"] == best
    assert ", by averaged weights" in output
    assert all(line["gradient_norm"] > 0 for line in lines(folder))
    code, output = evaluation(folder, "callback.use_best=true")
    assert code == 0, output
    assert output.startswith(f"step {first}: {best:.2%} of 43 images right")
    taken = checkpoint.path_of(folder / "best", first)
    assert output.endswith(f"by the averaged weights of {taken}\n")


def evaluation(folder, *settings):
    """The eval command of a recipe that says nothing of averages."""
    flags = [f for each in (f"model_dir={folder}", *settings) for f in ("--set", each)]
    done = subprocess.run(
        [sys.executable, TINY, "eval", "--config", "cifar10", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_two_ranks_that_accumulate_equal_one_that_does_not(tmp_path):
    found = []
    alike = ("modeler.precision=float32", "epochs=4", "max_step=12", "modeler.ema=0.9")
    alike += ("modeler.clip_norm=0.5", "modeler.learning_rate=0.02", "callback.log_every_n_iter=12")
    for ranks, batch, count in ((1, 64, 1), (2, 16, 2)):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        own = (f"gpu_count={ranks}", f"batch_size_per_gpu={batch}", f"modeler.accumulate={count}")
        code, output, errors = run(folder / "run", *alike, *own, PLAIN="1", DUMP=str(folder))
        assert code == 0, output + errors
        with np.load(folder / "rank-0.npz") as file:
            found.append((dict(file), lines(folder / "run")[-1]))
    (one, told), (two, told_of_two) = found
    assert one.keys() == two.keys()
    assert any(name.startswith("ema/") for name in one)
    for name in one:
        scale = max(np.abs(one[name]).max(), 1e-30)
        assert np.abs(one[name] - two[name]).max() / scale < 1e-5, name
    for name in ("loss", "accuracy", "gradient_norm"):
        assert told[name] == pytest.approx(told_of_two[name], rel=1e-4), name
