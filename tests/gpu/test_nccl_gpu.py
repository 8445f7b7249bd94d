"""NCCL's sums on a GPU: a rank alone, and ranks that share the GPU where NCCL allows it."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lambda_fast import native
from lambda_fast.runner import collective

ROOT = Path(__file__).resolve().parents[2]


def why_not():
    """Why these tests cannot run here; "" where they can."""
    if not native.core().build_info()["cuda"]:
        return "the native library was built without CUDA"
    if not find_spec("cupy"):
        return "CuPy is not installed"
    import cupy

    try:
        collective.mpi_library(), collective.nccl_library()
        return "" if cupy.cuda.runtime.getDeviceCount() > 0 else "no CUDA device"
    except (collective.CollectiveError, cupy.cuda.runtime.CUDARuntimeError) as error:
        return str(error)


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


# Of two float16 values NCCL's own sum is rounded once too: three tell the ways apart. An abort of a
# world of one releases nobody: MPI ends the process.
@pytest.mark.parametrize(
    ("ranks", "arguments"),
    [(1, []), (2, []), (3, []), (2, ["abort"]), (3, ["abort"])],
    ids=lambda value: value if isinstance(value, int) else "".join(value) or "sums",
)
def test_nccl(ranks, arguments):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    program = Path(__file__).with_name("nccl_program.py")
    done = subprocess.run(
        [shutil.which("mpiexec", path=path), "-n", str(ranks), sys.executable, program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NCCL_MULTI_RANK_GPU_ENABLE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split().count("right") == ranks
