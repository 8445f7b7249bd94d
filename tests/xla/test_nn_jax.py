"""Convolution and batch normalisation run in JAX, without TensorFlow."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import nn_reference
import pytest

from lambda_fast import native

PROGRAM = Path(nn_reference.__file__).with_name("nn_through_jax.py")


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
def test_the_handlers_give_the_reference_in_jax():
    if not native.core().build_info()["convolution"]:
        pytest.skip("built without oneDNN")
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(Path(native.__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    assert len(errors) == 5
    assert max(errors.values()) < 1e-5, errors
