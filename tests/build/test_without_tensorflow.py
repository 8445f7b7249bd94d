"""A build without TensorFlow, CUDA, oneDNN and MPI works alone, and says what it lacks."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
sys.modules["tensorflow"] = None  # importing it fails
sys.path.insert(0, sys.argv[1])
import _core, numpy as np
built = _core.build_info()
assert (built["tensorflow"], built["convolution"], built["fast_bfloat16"]) == ("", "", False)
images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
out = _core.augment(images, np.arange(2), 1, 2, {"flip": 0.5}, "float32", 1)
assert out.shape == (2, 8, 8, 3) and out.max() == 255
assert set(_core.ffi_handlers()) == {"cpu", "CUDA"}
try:
    _core.augment_device(0, 0, 0, 0, 0, [1, 8, 8, 3], {}, "float32", 0)
except RuntimeError as error:
    assert "[augment] expected a build with CUDA" in str(error), error
else:
    raise AssertionError("a build without CUDA must say so")
ones = np.ones(3, np.float32)
_core.all_reduce([ones])
assert _core.world()["through"] == "solo" and ones.sum() == 3
for mpi, nccl, remedy in (("libmpi_abi.so.1", "", "mpich"), ("", "libnccl.so.2", "nvidia-nccl")):
    try:
        _core.join_world(mpi, nccl)
    except RuntimeError as error:
        assert "expected a build with" in str(error) and remedy in str(error), error
    else:
        raise AssertionError("a build without MPI and NCCL must say so")
"""


@pytest.mark.skipif(
    not any(map(importlib.util.find_spec, ("jaxlib", "tensorflow"))),
    reason="needs the FFI header of jaxlib or TensorFlow",
)
def test_the_rest_builds_and_works(tmp_path):
    configure = [
        *("cmake", "-S", ROOT, "-B", tmp_path / "build", "-G", "Ninja"),
        *(f"-DLAMBDA_FAST_{part}=OFF" for part in ("TF", "CUDA", "ONEDNN", "MPI")),
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DLAMBDA_FAST_OUTPUT={tmp_path / 'out'}",
    ]
    for step in (
        configure,
        ["cmake", "--build", tmp_path / "build"],
        [sys.executable, "-c", PROGRAM, tmp_path / "out"],
    ):
        done = subprocess.run(step, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert not list((tmp_path / "out").glob("*_tf*"))
