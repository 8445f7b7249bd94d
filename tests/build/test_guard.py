"""A native library built for another TensorFlow is refused before it is opened.

The tests change what a real build says of itself, in a copy of the package.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_fast import native


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy, whose TensorFlow library would not open: the guard must come before."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(Path(native.__file__).parents[1], root / "lambda_fast")
    (root / "lambda_fast" / "native" / "liblambda_fast_tf.so").write_bytes(b"no library")
    return root


def opened(root, code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("recorded", "instead", "message"),
    [
        (
            "tensorflow",
            "2.19.0",
            "expected TensorFlow 2.19, for which the native library was built; found 2.21.",
        ),
        (
            "abi",
            "-D_GLIBCXX_USE_CXX11_ABI=0",
            "compiled with -D_GLIBCXX_USE_CXX11_ABI=0, as the native library was; found -D_GLIBC",
        ),
    ],
)
def test_a_library_of_another_build_is_refused(package, tmp_path, recorded, instead, message):
    shutil.copytree(package, tmp_path / "package")
    folder = tmp_path / "package" / "lambda_fast" / "native"
    (core,) = folder.glob("_core.*.so")
    content = core.read_bytes()
    said = native.core().build_info()[recorded].encode()
    assert content.count(said + b"\0") == 1
    assert len(said) == len(instead)
    core.write_bytes(content.replace(said + b"\0", instead.encode() + b"\0"))
    done = opened(tmp_path / "package", "from lambda_fast import native; native.ops()")
    last = done.stderr.splitlines()[-1]
    assert "NativeLibraryError: [lambda_fast.native] expected" in last
    assert message in last
    assert "pip install --force-reinstall --no-deps -e ." in last
    assert "no library" not in done.stderr


def test_a_library_that_does_not_open_says_how_to_build_it(package):
    done = opened(package, "from lambda_fast import native; native.ops()")
    last = done.stderr.splitlines()[-1]
    assert "expected liblambda_fast_tf.so to load" in last
    assert "pip install --force-reinstall --no-deps -e ." in last
