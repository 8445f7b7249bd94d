"""The directory is the rule: who may include and import whom."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CSRC = ROOT / "csrc"
OURS = ("core/", "xla/ffi_bridge.h", "xla/handlers.h", "tf/", "python/")
ALLOWED = {
    "core": ("core/",),
    "xla": ("core/", "xla/"),
    "tf": ("core/", "tf/", "xla/handlers.h"),
    "python": ("core/", "python/", "xla/handlers.h"),
}
FOREIGN = {  # what a layer must not see of the outside
    "core": ("tensorflow/", "xla/", "pybind11/", "Python.h", "absl/"),
    "xla": ("tensorflow/", "pybind11/", "Python.h", "absl/"),
    "tf": ("pybind11/", "Python.h", "cuda"),
    "python": ("tensorflow/", "absl/", "cuda"),
}


def includes(layer):
    for file in (CSRC / layer).rglob("*"):
        if file.suffix in (".h", ".cc", ".cu", ".cuh"):
            for name in re.findall(r'#include\s+["<]([^">]+)[">]', file.read_text()):
                yield file.relative_to(CSRC), name


@pytest.mark.parametrize("layer", ALLOWED)
def test_includes_point_down(layer):
    found = list(includes(layer))
    assert found
    for file, name in found:
        ours = name.startswith(OURS)
        assert not ours or name.startswith(ALLOWED[layer]), f"{file} includes {name}"
        assert ours or not name.startswith(FOREIGN[layer]), f"{file} includes {name}"


def test_only_cuda_sources_see_cuda():
    for layer in ALLOWED:
        for file, name in includes(layer):
            assert not name.startswith("cuda") or file.suffix in (".cu", ".cuh"), (
                f"{file} includes {name}"
            )


def test_only_its_twin_sees_onednn():
    for layer in ALLOWED:
        for file, name in includes(layer):
            if name.startswith("oneapi/"):
                assert file.parent.name == "nn" and "onednn" in file.stem, f"{file} includes {name}"


def test_only_their_files_see_mpi_and_nccl():
    for layer in ALLOWED:
        for file, name in includes(layer):
            if name in ("mpi_abi.h", "nccl.h"):
                expected = name.removesuffix("_abi.h").removesuffix(".h")
                assert file.parent.name == "collective" and file.stem.startswith(expected), file


@pytest.mark.parametrize(
    "module",
    [
        "lambda_fast",
        "lambda_fast.configs.cifar10",
        "lambda_fast.overrides",
        "lambda_fast.build",
        "lambda_fast.native",
        "lambda_fast.train",
        "lambda_fast.eval",
        "lambda_fast.infer",
        "lambda_fast.export",
        "lambda_fast.tune",
        "lambda_fast.glossary",
        "lambda_fast.augmenter.cifar",
        "lambda_fast.data.cifar10",
        "lambda_fast.data.splits",
        "lambda_fast.inputter.order",
        "lambda_fast.augmenter.augment",
        "lambda_fast.runner.collective",
    ],
)
def test_importing_leaves_tensorflow_alone(module):
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_nothing_is_unpickled():
    """Data and checkpoints hold numbers; whatever could hold code is not read."""
    forbidden = r"pickle|marshal|shelve|joblib|dill\b|torch\.load|load_model|\beval\(|\bexec\("
    for file in (ROOT / "lambda_fast").rglob("*.py"):
        for line in file.read_text().splitlines():
            assert not re.search(forbidden, line) or "allow_pickle=False" in line, f"{file}: {line}"
