"""The core's own test programs under AddressSanitizer, UBSan and ThreadSanitizer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ["core_test", "nn_test", "image_test", "collective_test"]


def cpu_has(flag):
    try:
        return flag in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


@pytest.fixture(scope="module", params=["address,undefined", "thread"])
def programs(request, tmp_path_factory):
    if shutil.which("cmake") is None or shutil.which("ninja") is None:
        pytest.fail("cmake and ninja come with the test extra: pip install -e '.[test]'")
    build = tmp_path_factory.mktemp("core_test")
    configure = [
        *("cmake", "-S", ROOT, "-B", build, "-G", "Ninja"),
        "-DLAMBDA_FAST_CORE_ONLY=ON",
        f"-DLAMBDA_FAST_SANITIZE={request.param}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    for step in (configure, ["cmake", "--build", build, "--target", *PROGRAMS]):
        done = subprocess.run(step, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return build, request.param


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_core_program_is_clean_under_sanitizers(programs, program, isa):
    build, sanitizer = programs
    if isa != "portable" and not cpu_has({"avx2": "avx2", "avx512": "avx512bw"}[isa]):
        pytest.skip(f"this machine has no {isa}")
    if sanitizer == "thread" and isa != "avx2" and cpu_has("avx2"):
        pytest.skip("threads meet in the same places whatever the instruction set: one is enough")
    done = subprocess.run(
        [build / program],
        capture_output=True,
        text=True,
        env=os.environ | {"LAMBDA_FAST_ISA": isa},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"0 failed (rows: {isa})" in done.stdout
