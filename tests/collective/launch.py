"""Runs a case of rank_program.py on several ranks, and gives what each printed."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def mpiexec():
    found = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.fail("mpiexec comes with the package: pip install mpich")
    return found


def run(program, case, ranks, timeout=60, **env):
    """What each rank's `say` was given, in the order of the ranks."""
    done = subprocess.run(
        [mpiexec(), "-n", str(ranks), sys.executable, Path(__file__).with_name(program), case],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"rank"')]
    assert len(said) == ranks, done.stdout + done.stderr
    return [entry["said"] for entry in sorted(said, key=lambda entry: entry["rank"])]


@functools.cache
def run_once(program, case, ranks):
    return run(program, case, ranks)


def say(rank, said):
    # One write, so that lines of several ranks do not mix.
    os.write(1, (json.dumps({"rank": rank, "said": said}) + "\n").encode())
