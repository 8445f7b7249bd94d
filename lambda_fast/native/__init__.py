"""The only door to the native libraries: `core()` for numpy, `ops()` for TensorFlow."""

import ctypes
import functools
import importlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from types import ModuleType
from typing import Any

from lambda_fast.errors import UserError

_FOLDER = Path(__file__).parent
REBUILD = "pip install --force-reinstall --no-deps -e ."
_REBUILD = f"Build it for this environment: {REBUILD}"


class NativeLibraryError(UserError, ImportError):
    """The native library is absent or was built for something else."""


def _open_onednn() -> str:
    """Opens oneDNN where its wheel put it, a folder that the loader does not search.

    The native library then finds it by its name; a build without oneDNN does not ask for it.

    Returns:
        What to do if the native library misses it.
    """
    try:
        found = [file for file in files("onednn-cpu-gomp") or [] if file.name == "libdnnl.so.3"]
        ctypes.CDLL(str(found[0].locate()))
    except (PackageNotFoundError, IndexError):
        return "pip install --force-reinstall onednn-cpu-gomp==2023.2.0"
    except OSError as error:
        return f"oneDNN itself does not open: {error}. Its libgomp.so.1 is Debian's libgomp1"
    return _REBUILD


@functools.cache
def core() -> ModuleType:
    """The module `_core`: the engine for numpy, without TensorFlow.

    Raises:
        NativeLibraryError: the library was not built, does not load here, or LAMBDA_FAST_ISA asks
            for what this machine lacks.
    """
    onednn = _open_onednn()
    try:
        module = importlib.import_module("lambda_fast.native._core")
        module.build_info()  # chooses the instruction set
    except ValueError as error:
        raise NativeLibraryError(str(error)) from error
    except ImportError as error:
        remedy = onednn if "libdnnl" in str(error) or "libgomp" in str(error) else _REBUILD
        raise NativeLibraryError(
            f"[lambda_fast.native] expected the compiled module _core, found: {error}. {remedy}"
        ) from error
    return module


def check_tensorflow(built: str, found: str) -> None:
    """Refuses a TensorFlow of another minor version than the one the ops were compiled for.

    Args:
        built: version at build time, "" when built without TensorFlow.
        found: version at run time.

    Raises:
        NativeLibraryError: the versions differ in more than the patch level.
    """
    if not built:
        raise NativeLibraryError(
            "[lambda_fast.native] expected a build with TensorFlow's ops, found one made with "
            f"LAMBDA_FAST_TF=OFF. {_REBUILD}"
        )
    if built.split(".")[:2] != found.split(".")[:2]:
        raise NativeLibraryError(
            f"[lambda_fast.native] expected TensorFlow {'.'.join(built.split('.')[:2])}, for which "
            f"the native library was built; found {found}. pip install tensorflow=={built}, or: "
            f"{_REBUILD}"
        )


def check_abi(built: str, flags: Sequence[str]) -> None:
    """Refuses a TensorFlow whose C++ strings are not those of the native library.

    Args:
        built: the flag that stands for the library's, `-D_GLIBCXX_USE_CXX11_ABI=…`.
        flags: that TensorFlow was compiled with.

    Raises:
        NativeLibraryError: names both.
    """
    name = built.partition("=")[0]
    found = next((flag for flag in flags if flag.startswith(name)), f"no {name}")
    if found != built:
        raise NativeLibraryError(
            f"[lambda_fast.native] expected a TensorFlow compiled with {built}, as the native "
            f"library was; found {found}. {_REBUILD}"
        )


@functools.cache
def ops() -> Any:
    """The module of TensorFlow ops: `ops().lambda_fast_augment(...)`.

    Version and ABI are checked before the library is opened, because it would fail with an
    undefined symbol or not at all.

    Raises:
        NativeLibraryError: not built, built for another TensorFlow or without CUDA for a GPU that
            is there, or not loadable.
    """
    try:
        found = version("tensorflow")
    except PackageNotFoundError as error:
        raise NativeLibraryError(
            "[lambda_fast.native] expected TensorFlow, found none. pip install 'tensorflow==2.21.*'"
        ) from error
    built = core().build_info()
    check_tensorflow(built["tensorflow"], found)
    import tensorflow as tf

    check_abi(built["abi"], tf.sysconfig.get_compile_flags())
    if tf.config.list_physical_devices("GPU") and not built["cuda"]:
        raise NativeLibraryError(
            "[lambda_fast.native] expected a build with CUDA, because TensorFlow sees a GPU; found "
            "one without. Put nvcc on the PATH and build again with LAMBDA_FAST_CUDA=ON, or hide "
            "the GPU with CUDA_VISIBLE_DEVICES=-1"
        )
    library = _FOLDER / "liblambda_fast_tf.so"
    try:
        return tf.load_op_library(str(library))
    except (tf.errors.NotFoundError, OSError) as error:
        raise NativeLibraryError(
            f"[lambda_fast.native] expected {library.name} to load, found: {error}. {_REBUILD}"
        ) from error
