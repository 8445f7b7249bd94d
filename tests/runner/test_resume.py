"""A run killed with SIGKILL at any step ends with the bits of one that was never stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_fast import checkpoint

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "tiny_run.py"
SETTINGS = [
    "epochs=2",
    "batch_size_per_gpu=16",
    "callback.save_checkpoints_steps=4",
    "callback.log_every_n_iter=5",
    "augmenter.brightness=20",
    "augmenter.contrast=0.8,1.2",
    "modeler.warmup_epochs=0.5",
]
STEPS = 24  # 200 images, batches of 16, two epochs


def start(folder, *settings, which="train", **environment):
    arguments = [
        f for setting in (*SETTINGS, *settings, f"model_dir={folder}") for f in ("--set", setting)
    ]
    return subprocess.Popen(
        [sys.executable, TINY, which, "--config", "cifar10", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder, *settings, which="train", **environment):
    process = start(folder, *settings, which=which, **environment)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def values(folder):
    steps = checkpoint.all_steps(folder)
    return checkpoint.read(checkpoint.path_of(folder, steps[-1]))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    code, output = run(folder)
    assert code == 0, output
    return folder, output


def same_bits(one, other):
    assert one.values.keys() == other.values.keys()
    return all(one.values[name].tobytes() == other.values[name].tobytes() for name in one.values)


@pytest.mark.parametrize("killed_at", [3, 13, 22])
def test_killed_and_started_again_ends_with_the_same_bits(uninterrupted, tmp_path, killed_at):
    folder = tmp_path / "run"
    code, output = run(folder, KILL_AFTER=str(killed_at))
    assert code == -signal.SIGKILL, output
    assert max(checkpoint.all_steps(folder), default=0) == killed_at // 4 * 4
    code, output = run(folder)
    assert code == 0, output
    whole, resumed = values(uninterrupted[0]), values(folder)
    assert whole.step == resumed.step == STEPS
    assert same_bits(whole, resumed)
    # Each report stands once in the metrics, in order.
    import json

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)
    assert [line["step"] for line in lines if "eval_accuracy" not in line] == [
        5,
        10,
        12,
        15,
        20,
        24,
    ]


def test_another_seed_gives_other_bits(uninterrupted, tmp_path):
    code, output = run(tmp_path / "run", "seed=1")
    assert code == 0, output
    assert not same_bits(values(uninterrupted[0]), values(tmp_path / "run"))


def test_sigint_saves_the_step_at_hand_and_the_run_goes_on_from_it(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = start(folder, "callback.save_checkpoints_steps=0", "callback.log_every_n_iter=1")
    for line in process.stdout:
        if line.startswith("step 5/"):
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, rest
    assert "SIGINT: ends after this step" in rest
    assert "stopped by SIGINT at step" in rest
    assert "Traceback" not in rest
    assert not (folder / "summary.json").exists()
    stopped = values(folder).step
    assert 5 <= stopped < STEPS
    code, output = run(folder)
    assert code == 0, output
    assert f"Going on from step {stopped} of {STEPS}" in output
    assert same_bits(values(uninterrupted[0]), values(folder))


def test_a_finished_run_says_so_and_evaluates(uninterrupted):
    before = {
        name: (uninterrupted[0] / name).read_text() for name in ("summary.json", "metrics.jsonl")
    }
    code, output = run(uninterrupted[0])
    assert code == 0, output
    assert f"the {STEPS} steps of this run are done" in output
    for name, content in before.items():
        assert (uninterrupted[0] / name).read_text() == content
    assert "evaluation images right" in output


def test_a_run_killed_in_its_last_evaluation_gets_its_summary(uninterrupted, tmp_path):
    import json
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(uninterrupted[0], folder)
    (folder / "summary.json").unlink()  # as if the process had died after its last checkpoint
    code, output = run(folder)
    assert code == 0, output
    expected = json.loads((uninterrupted[0] / "summary.json").read_text())
    found = json.loads((folder / "summary.json").read_text())
    assert found["step"] == STEPS
    assert found["eval_accuracy"] == expected["eval_accuracy"]


def test_fields_that_changed_are_told(uninterrupted, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(uninterrupted[0], folder)
    code, output = run(folder, "modeler.weight_decay=0.1", "callback.keep_checkpoint_max=1")
    assert code == 0, output
    assert "Not as in the run so far: modeler.weight_decay=0.1, was modeler.weight_decay=" in output
    assert output.count("Not as in the run so far") == 1


def test_a_run_that_diverges_ends_with_one_line(tmp_path):
    code, output = run(tmp_path / "run", "modeler.learning_rate=1e30", "modeler.warmup_epochs=0")
    assert code == 2
    assert "error: [loss] expected finite values" in output
    assert "Traceback" not in output


def test_the_tiny_set_is_learned_and_summed_up(uninterrupted):
    import json

    folder, output = uninterrupted
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["step"] == STEPS
    assert summary["epochs"] == 2
    assert summary["config"]["modeler"]["network"] == "resnet32"
    for name in ("loss", "accuracy", "eval_accuracy", "images_per_second", "compile_seconds"):
        assert isinstance(summary[name], float), name
    assert summary["wall_seconds"] > summary["compile_seconds"] > 0
    assert summary["versions"]["tensorflow"].startswith("2.21")
    assert summary["machine"]["cores"] >= 1
    assert f"step {STEPS}/{STEPS}  epoch 2/2" in output
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_the_summaries_are_events_that_tensorboard_reads(uninterrupted):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(uninterrupted[0] / "summaries"))
    events.Reload()
    names = {"loss", "accuracy", "learning_rate", "images_per_second", "eval_accuracy"}
    assert names <= set(events.Tags()["tensors"])


def test_eval_command_gives_the_figure_of_the_run(uninterrupted):
    import json

    code, output = run(uninterrupted[0], which="eval")
    assert code == 0, output
    found = json.loads((uninterrupted[0] / "eval.json").read_text())
    summary = json.loads((uninterrupted[0] / "summary.json").read_text())
    assert found["images"] == 43
    assert found["step"] == STEPS
    assert found["accuracy"] == summary["eval_accuracy"]
    assert f"{found['accuracy']:.2%} of 43 images right" in output


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed=3", "expected a run with seed = 3, found 0"),
        ("batch_size_per_gpu=8", "batch_size_per_gpu"),
        ("augmenter.normalize=image", "augmenter.normalize = 'image', found 'channels'"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(uninterrupted, setting, message):
    code, output = run(uninterrupted[0], setting)
    assert code == 2
    assert "error: [checkpoint]" in output
    assert message in output
    assert "Traceback" not in output
