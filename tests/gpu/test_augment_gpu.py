"""The GPU gives the bytes of the CPU: through device pointers on a stream, and through JAX on CUDA.

Needs a CUDA device and CuPy (and JAX for its part), but no TensorFlow.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import augment_cases
import numpy as np
import pytest

from lambda_fast import native

core = native.core()
KEY = augment_cases.SEED, augment_cases.EPOCH
DTYPES = {"float32": np.float32, "bfloat16": np.uint16}
GUARD = 64  # values on each side of the output that nobody may touch
PROGRAM = Path(augment_cases.__file__).with_name("augment_through_jax.py")
BUSY = r"""
extern "C" __global__ void busy(long long cycles) {
  const long long start = clock64();
  while (clock64() - start < cycles) {}
}
"""


def why_not():
    """Why these tests cannot run here; "" where they can."""
    if not core.build_info()["cuda"]:
        return "the native library was built without CUDA"
    if not find_spec("cupy"):
        return "CuPy is not installed"
    import cupy

    try:
        return "" if cupy.cuda.runtime.getDeviceCount() > 0 else "no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"no CUDA device: {error}"


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def on_cpu(images, ids, spec, dtype, key=KEY):
    return core.augment(images, ids, *key, spec, dtype, 2)


def on_gpu(images, ids, spec, dtype, key=KEY, late=False):
    """Augments on a stream that waits for no other; the output lies between guards.

    late: the images arrive on that stream only after it was kept busy for a while, so that work
    which is queued anywhere else sees zeros.
    """
    import cupy

    shape = on_cpu(images[:0], ids[:0], spec, dtype).shape[1:]
    size = len(images) * int(np.prod(shape))
    pattern = DTYPES[dtype](77)
    arrived, ids = cupy.asarray(images), cupy.asarray(ids)
    seed, epoch = (cupy.asarray(np.array(value, np.int64)) for value in key)
    pixels = cupy.zeros_like(arrived) if late else arrived
    guarded = cupy.full(size + 2 * GUARD, pattern, DTYPES[dtype])
    output = guarded[GUARD : GUARD + size]
    kernel = cupy.RawKernel(BUSY, "busy")
    cupy.cuda.Device().synchronize()

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        if late:
            kernel((1,), (1,), (np.int64(200_000_000),))
            cupy.copyto(pixels, arrived)
        pointers = (array.data.ptr for array in (output, pixels, ids, seed, epoch))
        core.augment_device(*pointers, images.shape, spec, dtype, stream.ptr)
        assert not late or not stream.done, "the call waited for the device"
    stream.synchronize()

    whole = guarded.get()
    assert (whole[:GUARD] == pattern).all(), "wrote in front of the output"
    assert (whole[GUARD + size :] == pattern).all(), "wrote behind the output"
    return whole[GUARD : GUARD + size].reshape(len(images), *shape)


@pytest.fixture(scope="module")
def through_jax():
    if not find_spec("jax"):
        pytest.skip("JAX is not installed")
    environment = {**os.environ, "PYTHONPATH": str(Path(native.__file__).parents[2])}
    environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    command = [sys.executable, str(PROGRAM), "CUDA"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", augment_cases.CASES)
def test_the_bytes_of_the_cpu(name, dtype):
    images, ids = augment_cases.inputs(name)
    spec = augment_cases.CASES[name][1]
    found, expected = on_gpu(images, ids, spec, dtype), on_cpu(images, ids, spec, dtype)
    bits = np.uint32 if dtype == "float32" else np.uint16
    wrong = np.argwhere(found.view(bits) != expected.view(bits))
    assert len(wrong) == 0, f"{len(wrong)} of {found.size} values differ, first at {wrong[0]}"


@pytest.mark.parametrize("name", augment_cases.SHA256)
def test_the_bytes_are_those_of_every_device(name):
    dtype, expected = augment_cases.SHA256[name]
    found = on_gpu(*augment_cases.inputs(name), augment_cases.CASES[name][1], dtype)
    assert augment_cases.sha256(found) == expected


@pytest.mark.parametrize("name", ["cifar", "resized"])
def test_the_work_is_queued_on_the_callers_stream(name):
    images, ids = augment_cases.inputs(name)
    spec = augment_cases.CASES[name][1]
    on_gpu(images, ids, spec, "float32")  # the first use of a kernel may wait for the device
    found = on_gpu(images, ids, spec, "float32", late=True)
    assert found.tobytes() == on_cpu(images, ids, spec, "float32").tobytes()


@pytest.mark.parametrize("name", ["cifar", "cifar_channels", "resized_image", "image_colours"])
def test_many_samples(name):
    # Many dice: windows, factors and covariances that a handful of images would not meet.
    shape, spec = augment_cases.CASES[name]
    images, ids = augment_cases.images((3000, *shape[1:])), augment_cases.sample_ids(3000)
    for dtype in DTYPES:
        found, expected = on_gpu(images, ids, spec, dtype), on_cpu(images, ids, spec, dtype)
        differ = [i for i in range(3000) if found[i].tobytes() != expected[i].tobytes()]
        assert not differ, f"{len(differ)} of 3000 images differ, first {differ[0]}"


@pytest.mark.parametrize("key", [(-(2**63), 2**32 - 1), (2**63 - 1, 0), (-1, 2**31)])
def test_extreme_keys(key):
    images = augment_cases.images((4, 9, 11, 3))
    ids = np.array([-(2**63), -1, 2**32, 2**63 - 1])
    spec = {**augment_cases.CIFAR, "height": 9, "width": 11, **augment_cases.ALL_COLOURS}
    found, expected = (run(images, ids, spec, "float32", key) for run in (on_gpu, on_cpu))
    assert found.tobytes() == expected.tobytes()


def test_the_batchs_split_does_not_matter():
    images, ids = augment_cases.inputs("resized_image")
    spec = augment_cases.CASES["resized_image"][1]
    parts = [on_gpu(images[i : i + 1], ids[i : i + 1], spec, "float32") for i in range(len(ids))]
    assert np.concatenate(parts).tobytes() == on_gpu(images, ids, spec, "float32").tobytes()


def test_bad_specs_are_refused_before_the_device_sees_them():
    with pytest.raises(ValueError, match=r"^\[augment\] expected flip .*found 1.5"):
        core.augment_device(0, 0, 0, 0, 0, (2, 4, 4, 3), {"flip": 1.5}, "float32", 0)


def test_jax_ran_on_the_gpu(through_jax):
    assert through_jax["kind"] in ("gpu", "cuda")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", augment_cases.CASES)
def test_the_bytes_of_the_cpu_through_jax(through_jax, name, dtype):
    expected = on_cpu(*augment_cases.inputs(name), augment_cases.CASES[name][1], dtype)
    assert through_jax["hashes"][f"{name} {dtype}"] == augment_cases.sha256(expected)


def test_errors_through_jax(through_jax):
    assert "[augment] expected flip as a probability" in through_jax["errors"]["value"]
    assert "[augment] expected sample_ids int64[5], one for each" in through_jax["errors"]["ids"]
