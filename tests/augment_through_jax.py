"""Runs the augmenter's XLA handler in JAX: python augment_through_jax.py cpu|CUDA prints hashes.

A program of its own, because int64 asks JAX for its 64-bit mode, which would leak into other tests,
and because JAX and TensorFlow need not share a process. It prints JSON: the platform that ran,
`hashes` of each case and dtype, and the `errors` of calls that must fail.
"""

import json
import sys

import augment_cases
import jax
import jax.numpy as jnp
import numpy as np
import reference

from lambda_fast import native

TARGET = "lf_augment"
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def attributes(spec):
    """A full spec as typed attributes: int32, bool, float32, float32[n] and strings."""
    as_attribute = {
        int: np.int32,
        bool: np.bool_,
        float: np.float32,
        tuple: lambda value: np.array(value, np.float32),
        str: str,
    }
    full = {**reference.DEFAULTS, **spec}
    return {name: as_attribute[type(value)](value) for name, value in full.items()}


def augment(images, ids, seed, epoch, attrs, dtype, output_shape=None):
    """The custom call; the output's shape follows from the attributes unless one is given."""
    batch, height, width, channels = images.shape
    size = int(attrs.get("height", 0)) or height, int(attrs.get("width", 0)) or width
    shape = output_shape or (batch, *size, channels)
    call = jax.ffi.ffi_call(TARGET, jax.ShapeDtypeStruct(shape, dtype))
    return call(images, ids, seed, epoch, **attrs)


def run_cases():
    """The hash of every case in both dtypes, through jax.jit."""
    key = np.int64(augment_cases.SEED), np.int64(augment_cases.EPOCH)
    hashes = {}
    for name, (_, spec) in augment_cases.CASES.items():
        images, ids = augment_cases.inputs(name)
        for dtype, type_of_jax in DTYPES.items():
            attrs = attributes(spec)
            run = jax.jit(lambda *inputs, a=attrs, t=type_of_jax: augment(*inputs, a, t))
            output = np.asarray(run(images, ids, *key))
            hashes[f"{name} {dtype}"] = augment_cases.sha256(output)
    return hashes


def run_errors():
    """The error of each call that the handler has to refuse."""
    images, ids = augment_cases.inputs("as_it_is")
    good = attributes({})
    absent = {name: value for name, value in good.items() if name != "flip"}
    calls = {
        "absent": (images, ids, absent, jnp.float32),
        "type": (images, ids, {**good, "flip": np.int32(1)}, jnp.float32),
        "name": (images, ids, {**good, "crop": "middle"}, jnp.float32),
        "length": (images, ids, {**good, "mean": np.zeros(2, np.float32)}, jnp.float32),
        "value": (images, ids, {**good, "flip": np.float32(1.5)}, jnp.float32),
        "ids": (images, ids[:3], good, jnp.float32),
        "channels": (images[..., :2], ids, good, jnp.float32),
        "crop": (images, ids, {**good, "height": np.int32(99)}, jnp.float32),
        "output_dtype": (images, ids, good, jnp.float16),
        "output_shape": (images, ids, good, jnp.float32, (5, 32, 31, 3)),
        "images_dtype": (images.astype(np.int32), ids, good, jnp.float32),
    }
    errors = {}
    for name, (x, sample_ids, attrs, dtype, *shape) in calls.items():
        try:
            zero = np.int64(0)
            jax.block_until_ready(augment(x, sample_ids, zero, zero, attrs, dtype, *shape))
            errors[name] = ""
        except Exception as error:
            errors[name] = str(error)
    return errors


def main():
    platform = sys.argv[1]
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", {"cpu": "cpu", "CUDA": "cuda"}[platform])
    handler = native.core().ffi_handlers()[platform][TARGET]
    jax.ffi.register_ffi_target(TARGET, handler, platform=platform)
    kind = jax.devices()[0].platform
    print(json.dumps({"kind": kind, "hashes": run_cases(), "errors": run_errors()}))


if __name__ == "__main__":
    main()
