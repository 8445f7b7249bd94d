"""Runs convolution and batch normalisation in JAX: prints the relative errors of results as JSON.

A program of its own, because JAX and TensorFlow need not share a process.
"""

import json

import jax
import jax.numpy as jnp
import nn_reference
import numpy as np

from lambda_fast import native

STRIDES, PADDING = (2, 1), (1, 1, 0, 1)


def call(target, results, *operands, **attributes):
    """The custom call `target`, inside a compiled program."""
    return jax.jit(lambda *values: jax.ffi.ffi_call(target, results)(*values, **attributes))(
        *operands
    )


def like(value):
    """The shape and dtype of a result."""
    return jax.ShapeDtypeStruct(value.shape, jnp.float32)


def error(found, expected):
    """Relative to the greatest expected value."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


def main():
    """Registers the handlers, calls each and prints what it is off by."""
    for name, capsule in native.core().ffi_handlers()["cpu"].items():
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 9, 8, 5)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 5, 7)).astype(np.float32)
    y = nn_reference.convolve(x, kernel, STRIDES, PADDING)
    dy = rng.normal(size=y.shape).astype(np.float32)
    dx = nn_reference.convolve_backward_input(x.shape, kernel, dy, STRIDES, PADDING)
    dkernel = nn_reference.convolve_backward_kernel(x, kernel.shape, dy, STRIDES, PADDING)
    options = {
        "strides": np.array(STRIDES, np.int64),
        "padding": np.array(PADDING, np.int64),
    }
    errors = {
        "lf_conv2d": error(call("lf_conv2d", like(y), x, kernel, **options), y),
        "lf_conv2d_backprop_input": error(
            call("lf_conv2d_backprop_input", like(x), kernel, dy, **options), dx
        ),
        "lf_conv2d_backprop_input_add": error(
            call("lf_conv2d_backprop_input_add", like(x), kernel, dy, x, **options), dx + x
        ),
        "lf_conv2d_backprop_filter": error(
            call("lf_conv2d_backprop_filter", like(kernel), x, dy, **options), dkernel
        ),
    }
    scale, offset = rng.normal(size=(2, 5)).astype(np.float32)
    residual = rng.normal(size=x.shape).astype(np.float32)
    y, mean, variance = nn_reference.batch_norm(x, scale, offset, 1e-3, residual, True)
    statistics = {"epsilon": np.float32(1e-3), "relu": True}
    found = call(
        "lf_batch_norm",
        [like(x), like(scale), like(scale)],
        *(x, scale, offset, residual),
        **statistics,
    )
    errors["lf_batch_norm"] = max(map(error, found, (y, mean, variance)))
    print(json.dumps(errors))


if __name__ == "__main__":
    main()
