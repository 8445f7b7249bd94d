"""NCCL's sources compile against the header of its wheel, wherever there is nvcc."""

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTIVE = ROOT / "csrc" / "core" / "collective"


def header():
    """Of the wheel in this Python, or the one that a build has kept."""
    try:
        wheel = files("nvidia-nccl-cu12") or []
    except PackageNotFoundError:
        wheel = []
    found = [path.locate() for path in wheel if path.name == "nccl.h"]
    found += ROOT.glob("build/*/nccl/nccl.h")
    if not found:
        pytest.fail("nccl.h: pip install nvidia-nccl-cu12, or build with LAMBDA_FAST_CUDA=AUTO")
    return Path(found[0])


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no nvcc")
def test_they_compile(tmp_path):
    sources = sorted(COLLECTIVE.glob("*.cu"))
    assert sources
    include = header().parent
    for source in sources:
        command = ["nvcc", "-std=c++17", f"-I{ROOT / 'csrc'}", "-isystem", include, "-arch=sm_90"]
        command += ["--expt-relaxed-constexpr", "-Werror", "all-warnings", "-c", source]
        command += ["-o", tmp_path / f"{source.stem}.o"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_cmake_builds_all_of_them():
    listed = set(re.findall(r"collective/(\w+\.cu)\b", (ROOT / "CMakeLists.txt").read_text()))
    assert listed == {source.name for source in COLLECTIVE.glob("*.cu")}
