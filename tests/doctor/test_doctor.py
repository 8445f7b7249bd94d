"""The doctor finds nothing wrong where the tests pass, and what is wrong elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_fast import native
from lambda_fast.doctor import Finding, looked_at, self_tests
from lambda_fast.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def doctor(root, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "lambda_fast.doctor", *arguments],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)} | environment,
        capture_output=True,
        text=True,
    )


def test_here_nothing_is_wrong():
    done = doctor(ROOT, "--json", LAMBDA_FAST_ISA="portable")
    assert done.stderr == ""
    found = {entry["name"]: entry for entry in json.loads(done.stdout)}
    wrong = [entry for entry in found.values() if entry["verdict"] == "wrong"]
    assert wrong == []
    assert done.returncode == 0
    assert found["loops"]["verdict"] == "note"
    assert found["loops"]["remedy"] == "unset LAMBDA_FAST_ISA"
    assert native.core().build_info()["abi"] in found["TensorFlow's ABI"]["found"]
    for op in ("augment", "convolution", "batch_norm", "resize", "all_reduce"):
        assert found[f"self-test of {op}"]["verdict"] == "ok"
    for name in ("tensorflow", "CPU", "GPUs", "memory", "DALI", "MPI", "NCCL"):
        assert found[name]["found"]


def test_a_library_for_another_tensorflow_is_wrong_and_not_opened(tmp_path):
    shutil.copytree(ROOT / "lambda_fast", tmp_path / "lambda_fast")
    (core,) = (tmp_path / "lambda_fast" / "native").glob("_core.*.so")
    built = native.core().build_info()["tensorflow"].encode()
    core.write_bytes(core.read_bytes().replace(built + b"\0", b"2.19.0\0"))
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("wrong")]
    assert "expected TensorFlow 2.19, for which the native library was built" in line
    assert native.REBUILD in line
    assert "self-tests                 not made" in done.stdout
    assert done.stdout.endswith("\n1 wrong\n")


def test_an_op_that_is_not_numpys_is_wrong(monkeypatch):
    from lambda_fast.network import layers

    call = layers.BatchNormalization.call
    monkeypatch.setattr(
        layers.BatchNormalization, "call", lambda *given, **more: call(*given, **more) * 1.001
    )
    found = self_tests._finding(self_tests.batch_norm)
    assert found.verdict == "wrong"
    assert "expected numpy's values within" in found.found
    assert found.remedy == native.REBUILD


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (UserError("[a] expected b, found c. d"), "[a] expected b, found c. d"),
        (OSError("e"), "OSError: e"),
    ],
)
def test_an_error_is_a_finding(error, found):
    def look():
        yield Finding("one", "ok", "there")
        raise error

    assert list(looked_at("two", look)) == [
        Finding("one", "ok", "there"),
        Finding("two", "wrong", found),
    ]
