"""Where the libraries lie that are opened at run time."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

from lambda_fast import native
from lambda_fast.doctor import Finding
from lambda_fast.errors import UserError
from lambda_fast.runner.collective import mpi_library, nccl_library
from lambda_fast.runner.launching import mpiexec
from lambda_fast.runner.world import gpus_present


def libraries() -> Iterator[Finding]:
    """oneDNN, DALI, MPI, NCCL and the CUDA toolkit."""
    built = native.core().build_info()
    if built["convolution"]:
        yield Finding("oneDNN", "ok", f"{built['convolution']} at {_mapped('libdnnl')}")
    spec = importlib.util.find_spec("nvidia.dali") if importlib.util.find_spec("nvidia") else None
    if spec is None:
        remedy = "pip install nvidia-dali-cuda120"
        yield Finding("DALI", "wrong", "none: image files cannot be decoded", remedy)
    else:
        folder = Path(spec.origin).parent
        yield Finding("DALI", "ok", f"{_dali_version()} at {folder}")
    try:
        yield Finding("MPI", "ok", f"{mpi_library()}, started by {Path(mpiexec()).resolve()}")
    except UserError as error:
        yield Finding("MPI", "note", f"one device alone: {error}")
    if not gpus_present():
        yield Finding("NCCL", "note", "not needed without a GPU")
        return
    absent = "note" if gpus_present() == 1 else "wrong"
    try:
        if built["nccl"]:
            yield Finding("NCCL", "ok", nccl_library())
        else:
            remedy = f"pip install nvidia-nccl-cu12 && LAMBDA_FAST_CUDA=ON {native.REBUILD}"
            yield Finding("NCCL", absent, "not in this build: one GPU alone", remedy)
    except UserError as error:
        yield Finding("NCCL", absent, str(error))
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc")
    yield Finding("nvcc", "ok" if nvcc else "note", nvcc or "none; only building needs it")


def _dali_version() -> str:
    """Of whichever wheel there is; it has one for each CUDA version."""
    names = packages_distributions().get("nvidia", [])
    found = [f"{name} {version(name)}" for name in sorted(set(names)) if "dali" in name]
    return ", ".join(found) or "of unknown version"


def _mapped(name: str) -> str:
    """The file of a library that this process has open."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[2]
        if Path(path).name.startswith(name):
            return f"/{path}"
    return "no place of its own"
