"""Versions, and what the native library was built with against what is installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from lambda_fast import native
from lambda_fast.doctor import Finding


def packages() -> Iterator[Finding]:
    """Python and each package that lambda_fast requires."""
    from packaging.requirements import Requirement

    yield Finding("python", "ok", f"{platform.python_version()} on {platform.machine()}")
    try:
        wanted = [Requirement(line) for line in requires("lambda_fast") or []]
        yield Finding("lambda_fast", "ok", version("lambda_fast"))
    except PackageNotFoundError:
        yield Finding("lambda_fast", "note", "not installed, runs from its folder", native.REBUILD)
        return
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = None
        if found and requirement.specifier.contains(found, prereleases=True):
            yield Finding(requirement.name, "ok", found)
        else:
            expected = f"{requirement.name}{requirement.specifier}"
            yield Finding(
                requirement.name,
                "wrong",
                f"expected {expected}, found {found or 'none'}",
                f"pip install '{expected}'",
            )


def library() -> Iterator[Finding]:
    """The native library, its compiler and ABI beside TensorFlow's."""
    built = native.core().build_info()
    parts = {
        "CUDA": built["cuda"],
        "oneDNN": built["convolution"].removeprefix("oneDNN "),
        "MPI": built["mpi"] and f"of mpich {built['mpi']}",
        "NCCL": built["nccl"],
    }
    having = ", ".join(f"{name} {found}" for name, found in parts.items() if found) or "nothing"
    missing = ", ".join(name for name, found in parts.items() if not found)
    yield Finding(
        "native library",
        "ok",
        f"compiled by {built['compiler']}, with {having}"
        + (f", without {missing}" if missing else ""),
    )
    if not built["convolution"] and platform.machine() == "x86_64":
        yield Finding(
            "convolution",
            "note",
            "TensorFlow's own, which is slower on CPUs: built without oneDNN",
            "pip install onednn-devel-cpu-gomp==2023.2.0 && LAMBDA_FAST_ONEDNN=ON "
            + native.REBUILD,
        )
    if not built["mpi"]:
        yield Finding(
            "ranks",
            "note",
            "built without MPI: one device alone",
            f"pip install mpich && LAMBDA_FAST_MPI=ON {native.REBUILD}",
        )
    yield from _tensorflow(built)
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        yield Finding("compiler", "note", "none found; only building needs one", "apt install g++")
    else:
        line = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
        yield Finding("compiler", "ok", f"{(line.splitlines() or ['?'])[0]} at {compiler}")


def _tensorflow(built: dict[str, str]) -> Iterator[Finding]:
    """Does not open the library of ops: the guard of `native.ops()` speaks first."""
    import tensorflow as tf

    native.check_tensorflow(built["tensorflow"], tf.__version__)
    native.check_abi(built["abi"], tf.sysconfig.get_compile_flags())
    yield Finding(
        "TensorFlow's ABI",
        "ok",
        f"built for {built['tensorflow']}, found {tf.__version__} (compiled by "
        f"{tf.version.COMPILER_VERSION}); both with {built['abi']}",
    )
    if tf.config.list_physical_devices("GPU") and not built["cuda"]:
        yield Finding(
            "CUDA kernels",
            "wrong",
            "TensorFlow sees a GPU, the native library was built without CUDA",
            f"LAMBDA_FAST_CUDA=ON {native.REBUILD}",
        )
