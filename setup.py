"""Builds csrc/ with CMake and puts the libraries beside lambda_fast/native."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """An upper-case build switch from the environment."""
    value = os.environ.get(name, default).upper()
    if value not in allowed:
        raise SystemExit(f"[{name}] expected one of {', '.join(allowed)}, found {value!r}")
    return value


def nccl_header() -> list[str]:
    """The wheel with NCCL's header, where CUDA sources are compiled; the smallest one.

    Its API is that of the newer libraries, which are opened at run time.
    """
    nvcc = shutil.which("nvcc") or os.environ.get("CUDACXX")
    wanted = nvcc and choice("LAMBDA_FAST_CUDA", "AUTO", ("AUTO", "ON", "OFF")) != "OFF"
    return ["nvidia-nccl-cu12==2.19.3"] if wanted else []


class CMakeBuild(build_ext):
    """Configures once, then lets ninja rebuild what changed."""

    def run(self) -> None:
        """Builds all targets into the folder of the one declared extension."""
        output = Path(self.get_ext_fullpath(self.extensions[0].name)).resolve().parent
        build = ROOT / "build" / f"cp{sys.version_info.major}{sys.version_info.minor}"
        onednn = choice("LAMBDA_FAST_ONEDNN", "AUTO", ("AUTO", "ON", "OFF"))
        subprocess.run(
            [
                *("cmake", "-S", str(ROOT), "-B", str(build), "-G", "Ninja"),
                # Named each time: build/ may remember those of an isolated build that is gone.
                f"-DCMAKE_MAKE_PROGRAM={shutil.which('ninja')}",
                f"-DPython_EXECUTABLE={sys.executable}",
                f"-DLAMBDA_FAST_OUTPUT={output}",
                f"-DLAMBDA_FAST_TF={choice('LAMBDA_FAST_TF', 'ON', ('ON', 'OFF'))}",
                f"-DLAMBDA_FAST_ONEDNN={onednn}",
                f"-DLAMBDA_FAST_MPI={choice('LAMBDA_FAST_MPI', 'AUTO', ('AUTO', 'ON', 'OFF'))}",
                f"-DLAMBDA_FAST_CUDA={choice('LAMBDA_FAST_CUDA', 'AUTO', ('AUTO', 'ON', 'OFF'))}",
            ],
            check=True,
        )
        subprocess.run(["cmake", "--build", str(build)], check=True)


setup(
    ext_modules=[Extension("lambda_fast.native._core", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
    setup_requires=nccl_header(),
)
