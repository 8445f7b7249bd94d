"""The network kernels' bits depend on no number of threads, and lesser CPUs compute them too."""

import functools
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nn_cases
import pytest

from lambda_fast import native
from lambda_fast.network import layers

TESTS = Path(nn_cases.__file__).parent
ROOT = TESTS.parent
FILES = ["test_conv2d_op.py", "test_batch_norm_op.py"]
THREADS = [1, 2, 3]
CHOSEN = ("LAMBDA_FAST_ISA", "ONEDNN_MAX_CPU_ISA")
# What is hidden from the program, and the flag of the CPU that it needs even so.
HIDDEN = {
    "onednn_avx2": ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2"),
    "ours_avx2": ({"LAMBDA_FAST_ISA": "avx2"}, "avx2"),
    "portable": ({"LAMBDA_FAST_ISA": "portable", "ONEDNN_MAX_CPU_ISA": "SSE41"}, "sse4_1"),
}

pytestmark = pytest.mark.skipif(
    not layers.has_native_kernels(), reason="a build without oneDNN, or a machine with a GPU"
)


def run(arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in CHOSEN} | variables
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TESTS)])
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


@functools.cache
def hashes(threads):
    done = run([str(TESTS / "nn_cases.py"), str(threads)])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_eager_mode_and_xla_give_the_same_bits():
    for name, (eager, xla) in hashes(THREADS[0]).items():
        assert eager == xla, name


@pytest.mark.parametrize("threads", THREADS[1:])
def test_any_number_of_threads_gives_the_same_bits(threads):
    found, expected = hashes(threads), hashes(THREADS[0])
    assert [name for name in expected if found[name] != expected[name]] == []
    assert len(found) == len(expected) > 0


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_reference_holds_where_instructions_are_hidden(hidden, tmp_path):
    variables, flag = HIDDEN[hidden]
    if flag not in Path("/proc/cpuinfo").read_text(encoding="utf-8").split():
        pytest.skip(f"this machine has no {flag}")
    report = tmp_path / "report.xml"
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    arguments += ["-k", "equals_the_reference or nan or far_from_zero or avx512_is_refused"]
    done = run([*arguments, *(str(Path(__file__).parent / name) for name in FILES)], **variables)
    assert done.returncode == 0, done.stdout[-6000:]

    cases = [
        case for case in ElementTree.parse(report).iter("testcase") if case.find("skipped") is None
    ]
    names = " ".join(case.get("name") for case in cases)
    for name in (*nn_cases.CONVOLUTIONS, *nn_cases.NORMALISATIONS):
        assert f"test_it_equals_the_reference[{name}-" in names
    # Either bfloat16 is right there, or it is refused.
    assert ("narrow_13-bfloat16" in names) != ("avx512_is_refused" in names)


def test_the_variables_do_hide_instructions():
    code = (
        "from lambda_fast import native; import json; print(json.dumps(native.core().build_info()))"
    )
    info = json.loads(run(["-c", code], **HIDDEN["portable"][0]).stdout)
    assert info["isa"] == "portable"
    assert not info["fast_bfloat16"]
    assert info["convolution"] == native.core().build_info()["convolution"]
