"""What callbacks make of the steps they watch."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorflow import make_ndarray

from lambda_fast import callback
from lambda_fast.build import find
from lambda_fast.callback import Run, StepReport
from lambda_fast.callback import train_speed as train_speed_module
from lambda_fast.config import ConfigError
from lambda_fast.overrides import apply
from lambda_fast.runner.callbacks import callbacks_of
from lambda_fast.runner.forward_runner import ForwardRunner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path):
    from lambda_fast.build import recipe

    config = apply(
        recipe("cifar10"), ["callback.log_every_n_iter=4", "callback.save_summary_steps=10"]
    )
    inputter = SimpleNamespace(steps_per_epoch=5, samples=50, batch_size=8)
    modeler = SimpleNamespace(step=lambda: 0)
    return Run(config, inputter, modeler, tmp_path, total_steps=13)


def step(run, watching, seconds=0.5, input_seconds=0.0, **outputs):
    run.step += 1
    values = {"loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1} | outputs
    report = StepReport(run.step, (run.step - 1) // 5, values, 8, seconds, input_seconds)
    for one in watching:
        one.after_step(run, report)


def test_log_steps_and_epoch_ends(run):
    logged, ended = [], []
    for run.step in range(1, 14):
        logged += [run.step] * run.is_log_step()
        ended += [run.step] * run.is_epoch_end()
    assert logged == [4, 5, 8, 10, 12, 13]
    assert ended == [5, 10]


def test_loss_is_the_mean_since_the_last_report(run):
    run.inputter.steps_per_epoch = 100
    one = find("callback", "train_loss")(run.config)
    for value in (4.0, 3.0, 2.0):
        step(run, [one], loss=value)
        assert "loss" not in run.metrics
    step(run, [one], loss=1.0)
    assert run.metrics["loss"] == 2.5
    for value in (1.0, 1.0, 1.0, 5.0):
        step(run, [one], loss=value)
    assert run.metrics["loss"] == 2.0


def test_speed_leaves_out_compiling_warming_up_and_pauses(run, monkeypatch):
    clock = {"now": 0.0}
    fake = SimpleNamespace(perf_counter=lambda: clock["now"])
    monkeypatch.setattr(train_speed_module, "time", fake)
    monkeypatch.setattr(callback, "time", fake)
    run.inputter.steps_per_epoch = 100
    one = find("callback", "train_speed")(run.config)
    for seconds in (30.0, 5.0, 5.0):
        clock["now"] += seconds
        step(run, [one], seconds=seconds)
    assert run.metrics == {"compile_seconds": 30.0}
    clock["now"] += 2.0
    step(run, [one], input_seconds=0.5)
    assert run.metrics["images_per_second"] == 8 / 2.0
    assert run.metrics["input_wait"] == 0.5 / 2.0
    for _ in range(4):
        clock["now"] += 1.0
        step(run, [one], input_seconds=0.1)
        with run.pause():
            clock["now"] += 100.0
    assert run.metrics["images_per_second"] == 4 * 8 / 4.0
    assert run.metrics["mean_images_per_second"] == 5 * 8 / 6.0
    assert run.metrics["input_wait"] == pytest.approx(0.4 / 4.0)
    assert run.metrics["mean_input_wait"] == pytest.approx(0.9 / 6.0)


def recorded(folder):
    """TensorBoard's names, and the last value of each."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()["tensors"]
    return {tag: float(make_ndarray(events.Tensors(tag)[-1].tensor_proto)) for tag in tags}


def test_summary_names_choose_what_is_recorded(run):
    for names, expected in (
        (
            ["runner.summary_names=('loss,accuracy', 'learning_rate')"],
            "loss accuracy learning_rate",
        ),
        ([], "input_wait learning_rate"),
    ):
        config = apply(run.config, names)
        one = find("callback", "train_summary")(config)
        run.model_dir = run.model_dir / str(len(names))
        run.model_dir.mkdir()
        one.before_run(run)
        run.metrics["input_wait"] = 0.5
        run.step = 9
        step(run, [one], loss=1.25)
        one.close()
        found = recorded(run.model_dir / "summaries")
        assert set(found) == set(expected.split())
        assert found["learning_rate"] == pytest.approx(0.1)
        assert found.get("loss", 1.25) == 1.25


def test_names_that_no_callback_finds_are_refused_before_any_data_is_read(run):
    def of(*settings):
        return callbacks_of(apply(run.config, settings), "train")

    every = "images_per_second,compile_seconds,eval_loss,skipped_steps,learning_rate"
    of(f"runner.summary_names={every}")
    with pytest.raises(ConfigError, match=r"summary_names to be among accuracy, .*; found 'los'"):
        of("runner.summary_names=loss,los")
    for name, settings in {
        "gradient_norm": ["modeler.clip_norm=1"],
        "best_accuracy": ["callback.keep_best=true", "callback.eval_every_epochs=1"],
    }.items():
        of(f"runner.summary_names={name}", *settings)
        with pytest.raises(ConfigError, match=f"found '{name}'"):
            of(f"runner.summary_names={name}")
    with pytest.raises(ConfigError, match="found 'eval_loss'"):
        of("runner.summary_names=eval_loss", "callback.names=train_basic")


def test_metrics_of_steps_after_the_checkpoint_are_dropped(run):
    lines = ['{"step": 4, "loss": 1}', '{"step": 8, "loss": 1}', '{"step": 12, "lo']
    (run.model_dir / "metrics.jsonl").write_text("\n".join(lines))
    run.step = 4
    one = find("callback", "train_metrics")(run.config)
    one.before_run(run)
    for _ in range(4):
        step(run, [one])
    one.after_run(run)
    one.close()
    written = [
        json.loads(line) for line in (run.model_dir / "metrics.jsonl").read_text().splitlines()
    ]
    assert [line["step"] for line in written] == [4, 5, 8, 8]
    assert written[-1]["learning_rate"] == 0.1


def test_the_progress_line_is_live_on_a_terminal(tmp_path):
    """The whole command on a pseudo-terminal: one line that is drawn again and again."""
    command = [sys.executable, ROOT / "tests" / "tiny_run.py", "train", "--config", "cifar10"]
    for setting in ("epochs=1", "batch_size_per_gpu=20", f"model_dir={tmp_path}"):
        command += ["--set", setting]
    master, slave = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "140"}
    with subprocess.Popen(
        command, stdout=slave, stderr=slave, env=environment, cwd=ROOT
    ) as process:
        os.close(slave)
        output = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            output += chunk
    os.close(master)
    text = output.decode()
    assert process.returncode == 0, text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "step 10/10" in plain
    assert "epoch 1/1" in plain
    assert "images/s" in plain
    assert text.count("\x1b[2K") + text.count("\r") > 5  # drawn in place
    assert "\x1b[?25h" in text  # the cursor is shown again
    assert "evaluation images right" in plain


def test_without_a_terminal_there_are_plain_lines(run, capsys):
    one = find("callback", "train_progress")(run.config)
    one.before_run(run)
    run.metrics.update(loss=1.25, accuracy=0.5, images_per_second=100.0)
    for _ in range(4):
        step(run, [one])
    run.say("[a] bracketed")
    one.close()
    lines = capsys.readouterr().out.splitlines()
    expected = "step 4/13  epoch 1/60  loss 1.2500  accuracy 50.00%  100 images/s  0:00:01 left"
    assert expected in lines
    assert "[a] bracketed" in lines
    assert not any("\x1b" in line for line in lines)


def test_callbacks_are_those_of_the_mode(run):
    config = apply(run.config, ["callback.eval_names=eval_loss,eval_basic"])
    found = [type(one).__name__ for one in callbacks_of(config, "eval")]
    assert found == ["EvalBasic", "EvalLoss"]  # what restores goes first
    with pytest.raises(ConfigError, match=r"one of eval_accuracy, eval_basic.*; found 'train_los"):
        callbacks_of(apply(run.config, ["callback.eval_names=train_loss"]), "eval")


def test_nothing_runs_forward_unless_a_callback_restores(run):
    with pytest.raises(ConfigError, match="expected one that restores the checkpoint"):
        ForwardRunner(run, [find("callback", "eval_loss")(run.config)]).run()
    assert run.step == 0
