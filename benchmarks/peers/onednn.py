"""oneDNN's primitives alone: what a step through oneDNN can reach at most."""

import ctypes
import os
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from benchmarks.interleave import System

SOURCE = Path(__file__).with_name("onednn_resnet32.cc")


def train(batch: int, precision: str) -> System:
    """ResNet32's convolutions and normalisations, forward and backward; see `onednn_resnet32.cc`.

    Args:
        batch: images a step.
        precision: float32 or bfloat16.
    """
    library = _compiled()
    library.onednn_resnet32_new.restype = ctypes.c_void_p
    library.onednn_resnet32_run.argtypes = [ctypes.c_void_p]
    handle = library.onednn_resnet32_new(batch, int(precision == "bfloat16"))
    if handle is None:
        pytest.skip(f"oneDNN has no convolution in {precision} for this CPU")
    return System(
        name="onednn_alone",
        step=lambda: library.onednn_resnet32_run(handle),
        images=batch,
        facts={"precision": precision, "how": "convolutions and normalisations alone"},
    )


def _compiled() -> ctypes.CDLL:
    try:
        header = _located("onednn-devel-cpu-gomp", "dnnl.hpp")
        onednn = _located("onednn-cpu-gomp", "libdnnl.so.3")
    except (PackageNotFoundError, StopIteration):
        pytest.skip("oneDNN is not installed: pip install onednn-devel-cpu-gomp==2023.2.0")
    include = next(path for path in header.parents if path.name == "include")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "libonednn_resnet32.so"
        subprocess.run(
            [
                *(os.environ.get("CXX", "c++"), "-O2", "-std=c++17", "-shared", "-fPIC"),
                *(f"-I{include}", str(SOURCE), str(onednn), f"-Wl,-rpath,{onednn.parent}"),
                *("-o", str(built)),
            ],
            check=True,
        )
        return ctypes.CDLL(str(built))


def _located(package: str, name: str) -> Path:
    return next(Path(f.locate()).resolve() for f in files(package) or [] if f.name == name)
