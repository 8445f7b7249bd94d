"""Two ranks train as one does: the same numbers, the same bits on both, one program."""

import json
import os
import subprocess

import numpy as np
import pytest
from ranks import ROOT, STEPS, command, run

from lambda_fast import checkpoint

# A low rate: a training that amplifies roundings shows nothing.
ALIKE = (
    "modeler.learning_rate=0.01",
    "modeler.precision=float32",
    "epochs=20",
    "max_step=20",
    "callback.log_every_n_iter=20",
)


def dumped(folder, rank):
    with np.load(folder / f"rank-{rank}.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    code, output, errors = run(folder / "run", DUMP=str(folder), HLO="1")
    assert code == 0, output + errors
    assert errors == ""
    return folder, output


def test_all_ranks_hold_the_same_bits_statistics_included(two_ranks):
    one, other = dumped(two_ranks[0], 0), dumped(two_ranks[0], 1)
    assert one.keys() == other.keys()
    assert any("moving_mean" in name for name in one)
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name
    steps = checkpoint.all_steps(two_ranks[0] / "run")
    saved = checkpoint.read(checkpoint.path_of(two_ranks[0] / "run", steps[-1]))
    assert saved.step == STEPS
    for name, value in saved.values.items():
        assert value.tobytes() == other[name].tobytes(), name


def test_a_second_run_gives_the_same_bits(two_ranks, tmp_path):
    code, output, errors = run(tmp_path / "run", DUMP=str(tmp_path))
    assert code == 0, output + errors
    one, other = dumped(two_ranks[0], 0), dumped(tmp_path, 0)
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


def test_one_program_holds_the_augmentation_and_one_all_reduce(two_ranks):
    text = (two_ranks[0] / "rank-0.hlo").read_text()
    assert text.count("HloModule") == 1
    assert text.count('custom_call_target="lf_augment') == 1
    assert text.count('custom_call_target="lf_all_reduce') == 1


def test_rank_0_alone_talks_and_writes(two_ranks):
    folder, output = two_ranks
    assert output.count(f"step {STEPS}/{STEPS}") == 1
    assert f"{STEPS} steps of 16" in output
    assert len(list((folder / "run" / "summaries").iterdir())) == 1
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["step"] == STEPS
    assert summary["config"]["gpu_count"] == 2


def test_all_ranks_evaluate_every_image_once(two_ranks):
    folder = two_ranks[0] / "run"
    found = json.loads((folder / "summary.json").read_text())
    done = subprocess.run(
        ["eval" if word == "train" else word for word in command(folder)],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    alone = json.loads((folder / "eval.json").read_text())
    assert f"of {alone['images']} evaluation images" in two_ranks[1]
    assert found["eval_accuracy"] == alone["accuracy"]
    assert found["eval_loss"] == pytest.approx(alone["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("network", "settings_of_two", "bound"),
    [
        ("PLAIN", (), 1e-5),
        ("PLAIN", ("runner.wire=bfloat16", "runner.buckets=2"), 1e-2),
        ("PLAIN", ("runner.buckets=3",), 1e-5),
        # One rank normalises by the native kernel, two by TensorFlow's ops and collectives.
        ("SMOOTH", ("modeler.sync_batch_norm=true",), 1e-5),
    ],
    ids=["without batch norm", "in bfloat16", "in three buckets", "with synchronised batch norm"],
)
def test_two_ranks_at_64_equal_one_at_128(tmp_path, network, settings_of_two, bound):
    found = {}
    for ranks, batch, settings in ((1, 128, ()), (2, 64, settings_of_two)):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        settings = (*ALIKE, *settings, f"gpu_count={ranks}", f"batch_size_per_gpu={batch}")
        environment = {network: "1", "DUMP": str(folder)}
        code, output, errors = run(folder / "run", *settings, **environment)
        assert code == 0, output + errors
        metrics = (folder / "run" / "metrics.jsonl").read_text().splitlines()
        found[ranks] = dumped(folder, 0), json.loads(metrics[-1])
    (one, metrics), (two, metrics_of_two) = found[1], found[2]
    assert one.keys() == two.keys()
    off = {
        name: np.abs(one[name] - two[name]).max() / max(np.abs(one[name]).max(), 1e-30)
        for name in one
    }
    assert bound / 1000 < max(off.values()) < bound, off
    for name in ("loss", "accuracy", "eval_loss", "eval_accuracy"):
        assert metrics[name] == pytest.approx(metrics_of_two[name], rel=bound), name
