"""Whatever happens to a rank, the job ends in time, says once why, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest
from ranks import ROOT, STEPS, left, run, start

from lambda_fast import checkpoint
from lambda_fast.runner.launching import mpiexec

TIMEOUT = "runner.timeout=10"


def one_message(errors):
    assert errors.count("error:") == 1, errors
    assert "Traceback" not in errors
    assert errors.count("\n") == 1, errors


@pytest.mark.parametrize(
    ("rank", "what", "message"),
    [
        (1, "SIGKILL", "error: [rank 1] expected to go on, found its process"),
        (0, "SIGKILL", "error: [rank 0] expected to go on, found its process"),
        (1, "SIGSTOP", "error: [rank 1] expected a sign of life each second, found silence"),
        (1, "raise", "error: [ZeroDivisionError] as the test wants it"),
    ],
)
def test_the_job_ends_in_time_with_one_message(tmp_path, rank, what, message):
    marker = tmp_path / "failed"
    folder = tmp_path / "run"
    code, output, errors = run(folder, TIMEOUT, FAIL=f"{rank}:6:{what}:{marker}")
    seconds = time.time() - marker.stat().st_mtime
    assert code == 2, output + errors
    assert seconds < 10
    assert message in errors
    assert f"rank {rank}" in errors
    assert "last step was 5; it was doing: step" in errors
    one_message(errors)
    assert left(tmp_path) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    code, output, errors = run(folder)
    assert code == 0, output + errors
    return folder


def newest(folder):
    return checkpoint.read(checkpoint.path_of(folder, checkpoint.all_steps(folder)[-1]))


def same_bits(one, other):
    assert one.step == other.step == STEPS
    return all(one.values[name].tobytes() == other.values[name].tobytes() for name in one.values)


def test_a_restarted_run_ends_with_the_bits_of_one_that_was_not_stopped(whole, tmp_path):
    folder = tmp_path / "run"
    fail = f"1:14:SIGKILL:{tmp_path / 'failed'}"
    code, output, errors = run(folder, TIMEOUT, "runner.restarts=2", FAIL=fail)
    assert code == 0, output + errors
    assert "restart 1 of 2, from the last checkpoint" in errors
    assert "Going on from step 12 of 24" in output
    assert same_bits(newest(whole), newest(folder))
    assert left(tmp_path) == []


@pytest.mark.parametrize("target", ["launcher", "rank 1"])
def test_sigterm_saves_on_all_ranks_and_the_run_goes_on_from_there(whole, tmp_path, target):
    folder = tmp_path / "run"
    settings = ("callback.save_checkpoints_steps=0", "callback.log_every_n_iter=1")
    if target == "launcher":
        process = start(folder, *settings, "epochs=200")
        for line in process.stdout:
            if line.startswith("step 5/"):
                process.send_signal(signal.SIGTERM)
                break
        output, errors = process.communicate(timeout=100)
        code = process.returncode
        assert "SIGTERM: ends after this step" in output
    else:
        fail = f"1:6:SIGTERM:{tmp_path / 'failed'}"
        code, output, errors = run(folder, *settings, FAIL=fail)
    assert code == 130, output + errors
    assert "stopped by " in errors
    assert "error" not in errors
    stopped = newest(folder).step
    assert 5 <= stopped <= 9 or target == "launcher"
    assert not (folder / "summary.json").exists()
    assert left(tmp_path) == []
    if target == "rank 1":
        code, output, errors = run(folder, *settings)
        assert code == 0, output + errors
        assert f"Going on from step {stopped} of" in output
        assert same_bits(newest(whole), newest(folder))


def test_a_second_signal_ends_at_once(tmp_path):
    process = start(tmp_path, "epochs=10000", FAIL=f"1:6:SIGSTOP:{tmp_path / 'failed'}")
    for line in process.stdout:
        if line.startswith("step 5/"):
            break
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begin < 5
    assert left(tmp_path) == []


def test_no_rank_survives_the_launcher(tmp_path):
    process = start(tmp_path, "epochs=10000")
    for line in process.stdout:
        if line.startswith("step 5/"):
            break
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while left(tmp_path) and time.monotonic() < end:
        time.sleep(0.2)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("rank", "what", "message"),
    [
        (1, "SIGSTOP", "error: [rank 1] expected a sign of life each second, found silence"),
        (0, "SIGSTOP", "error: [rank 0] expected a sign of life each second, found silence"),
    ],
)
def test_in_a_world_of_the_users_own_mpiexec(tmp_path, rank, what, message):
    marker = tmp_path / "failed"
    before = (mpiexec(), "-localhost", "127.0.0.1", "-n", "2")
    folder = tmp_path / "run"
    code, output, errors = run(
        folder, TIMEOUT, "gpu_count=1", before=before, FAIL=f"{rank}:6:{what}:{marker}"
    )
    seconds = time.time() - marker.stat().st_mtime
    assert code != 0, output + errors
    assert seconds < 10
    assert (output + errors).count("error:") == 1
    assert message in output + errors
    assert left(tmp_path) == []


def test_what_is_stopped_below_is_found_and_killed():
    script = (
        "import os, signal, subprocess, sys\n"
        "from lambda_fast.runner.descendants import *\n"
        "adopt_orphans()\n"
        "shell = 'setsid sleep 300 & kill -STOP $!; echo $!; exit'\n"
        "child = subprocess.Popen(['sh', '-c', shell], stdout=subprocess.PIPE)\n"
        "pid = int(child.stdout.readline()); child.wait()\n"
        "assert pid in descendants(os.getpid())\n"
        "kill_descendants(child)\n"
        "print(os.path.exists(f'/proc/{pid}'))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "False\n", done.stderr
