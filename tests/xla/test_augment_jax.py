"""The typed-FFI handler runs in JAX, without TensorFlow, and gives the bytes of numpy."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import augment_cases
import pytest

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

PROGRAM = Path(augment_cases.__file__).with_name("augment_through_jax.py")
pytestmark = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")

# What each refused call's error has to say.
ERRORS = {
    "absent": "expected the attribute 'flip'; found",
    "type": "expected the attribute 'flip'; found",
    "name": "expected crop to be one of center, random, random_resized, random_scaled;",
    "length": "expected 3 values for 'mean'; found 2",
    "value": "expected flip as a probability in [0, 1]; found 1.5",
    "ids": "expected sample_ids int64[5], one for each image; found shape [3]",
    "channels": "with 1 or 3 channels; found 2",
    "crop": "expected a crop of at most 32x32",
    "output_dtype": "expected an output of float32 or bfloat16; found",
    "output_shape": "expected an output of shape [5,32,32,3]; found",
}


@pytest.fixture(scope="module")
def through_jax():
    command = [sys.executable, str(PROGRAM), "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(native.__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_cpu_ran_it(through_jax):
    assert through_jax["kind"] == "cpu"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", augment_cases.CASES)
def test_the_bytes_of_numpy(through_jax, name, dtype):
    images, ids = augment_cases.inputs(name)
    spec, key = augment_cases.CASES[name][1], (augment_cases.SEED, augment_cases.EPOCH)
    expected = augment_numpy(images, ids, *key, AugmentSpec(**spec), dtype)
    assert through_jax["hashes"][f"{name} {dtype}"] == augment_cases.sha256(expected)


@pytest.mark.parametrize("name", ERRORS)
def test_bad_calls_are_refused_with_our_words(through_jax, name):
    assert "[augment] expected " in through_jax["errors"][name]
    assert ERRORS[name] in through_jax["errors"][name]


def test_operands_of_another_type_are_refused(through_jax):
    assert through_jax["errors"]["images_dtype"]
