"""Shapes, inputs and calls of the native network kernels that more than one test file needs.

    python tests/nn_cases.py 3

prints, as JSON, the hash of every result on three threads.
"""

import hashlib
import json
import os
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import numpy as np
import tensorflow as tf

from lambda_fast import native

DTYPES = ["float32", "bfloat16"]
EPSILON = 1e-3


class Convolution(NamedTuple):
    """One shape; padding is top, bottom, left, right."""

    x: tuple[int, int, int, int]
    kernel: tuple[int, int]
    filters: int
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (1, 1, 1, 1)

    def kernel_shape(self):
        return (*self.kernel, self.x[3], self.filters)

    def options(self):
        return {"strides": self.strides, "padding": self.padding}


ONE, THREE, SEVEN = (1, 1), (3, 3), (7, 7)
NONE = (0, 0, 0, 0)
CONVOLUTIONS = {
    "one_pixel": Convolution((1, 1, 1, 3), ONE, 5, padding=NONE),
    "pointwise": Convolution((2, 7, 9, 16), ONE, 64, padding=NONE),
    "pointwise_strided": Convolution((9, 9, 8, 24), ONE, 48, (2, 2), NONE),
    "pointwise_padded": Convolution((2, 5, 6, 8), ONE, 16),
    "pointwise_100": Convolution((3, 5, 5, 72), ONE, 100, padding=NONE),
    "stem": Convolution((2, 21, 19, 3), SEVEN, 64, (2, 2), (3, 3, 3, 3)),
    "seven_5": Convolution((1, 11, 9, 5), SEVEN, 3, padding=(3, 3, 3, 3)),
    "whole_image": Convolution((3, 7, 7, 8), SEVEN, 16, padding=NONE),
    "one_row": Convolution((2, 9, 12, 5), (1, 7), 8, padding=(0, 0, 3, 3)),
    "one_column": Convolution((2, 9, 12, 16), (3, 1), 24, padding=(1, 1, 0, 0)),
    "grey": Convolution((5, 9, 9, 1), THREE, 16),
    "to_grey": Convolution((2, 9, 9, 16), THREE, 1),
    "valid": Convolution((2, 9, 7, 5), THREE, 24, padding=NONE),
    "rows_that_no_window_sees": Convolution((2, 10, 8, 8), THREE, 16, (2, 2), NONE),
    "same_even": Convolution((9, 8, 8, 16), THREE, 32, (2, 2), (0, 1, 0, 1)),
    "same_odd": Convolution((9, 9, 9, 16), THREE, 32, (2, 2)),
    "stride_3": Convolution((2, 11, 13, 3), THREE, 8, (3, 3), (1, 0, 0, 2)),
    "stride_beyond_the_kernel": Convolution((2, 11, 13, 8), ONE, 16, (3, 3), NONE),
    "strides_2_1": Convolution((3, 9, 10, 8), THREE, 16, (2, 1)),
    "strides_1_2": Convolution((3, 9, 10, 8), THREE, 32, (1, 2)),
    "asymmetric": Convolution((2, 7, 9, 24), THREE, 5, padding=(2, 0, 1, 3)),
    "channels_130": Convolution((2, 5, 5, 130), THREE, 130),
    # 3 x 3, stride 1, 16 or 32 channels: tiles of 4 x 4 outputs, some of them beyond an edge.
    "narrow_8": Convolution((3, 5, 8, 16), THREE, 16),
    "narrow_11": Convolution((9, 6, 11, 16), THREE, 32),
    "narrow_13": Convolution((5, 7, 13, 32), THREE, 32),
    "narrow_16": Convolution((1, 16, 16, 16), THREE, 16),
    "narrow_33": Convolution((3, 9, 33, 32), THREE, 16),
    "narrow_valid": Convolution((2, 6, 10, 16), THREE, 16, padding=NONE),
    "narrow_asymmetric": Convolution((2, 9, 12, 32), THREE, 32, padding=(0, 2, 0, 1)),
    "narrow_backwards_alone": Convolution((3, 5, 9, 16), THREE, 32, padding=(3, 1, 3, 2)),
    "narrow_far_rows": Convolution((2, 3, 9, 16), THREE, 16, padding=(5, 4, 1, 1)),
    # 3 x 3 with 8 channels in and 16 out, or multiples, in bands of rows.
    "pairs_48": Convolution((5, 9, 11, 8), THREE, 48),
    "pairs_bands": Convolution((3, 50, 9, 8), THREE, 16),
    "pairs_widest": Convolution((3, 9, 17, 64), THREE, 128),
    "pairs_strided_48": Convolution((3, 11, 13, 24), THREE, 48, (2, 2)),
    "pairs_strided_32": Convolution((1, 13, 11, 40), THREE, 32, (2, 2)),
    "pairs_stride_3": Convolution((3, 10, 14, 8), THREE, 32, (3, 3), (0, 1, 2, 0)),
    "pairs_far_rows_16": Convolution((3, 3, 5, 8), THREE, 16, padding=(4, 0, 3, 2)),
    "pairs_far_rows_32": Convolution((3, 3, 5, 8), THREE, 32, padding=(0, 5, 2, 4)),
    # Pairs of images, one left over; several bands, the last one shorter; wider kernels.
    "tiles_8": Convolution((7, 8, 8, 64), THREE, 64),
    "tiles_bands": Convolution((3, 33, 20, 32), THREE, 32),
    "tiles_strided": Convolution((5, 17, 15, 16), THREE, 48, (2, 2)),
    "tiles_5": Convolution((2, 12, 10, 16), (5, 5), 32, padding=(2, 2, 2, 2)),
    # Pieces of 8 images and one of 6; of 9 and one of 6.
    "batch_70": Convolution((70, 16, 16, 32), THREE, 32),
    "batch_69": Convolution((69, 16, 16, 24), THREE, 40),
}


def to_dtype(array, dtype):
    """Rounds to float32 or bfloat16."""
    return np.asarray(array).astype({"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}[dtype])


def generator(*names):
    """Random numbers that depend on the names alone."""
    return np.random.default_rng(zlib.crc32(" ".join(names).encode()))


def convolution_inputs(name, dtype):
    """(x, kernel, dy): the images and their gradient in the dtype, the kernel in float32."""
    import nn_reference

    case = CONVOLUTIONS[name]
    rng = generator(name)
    kernel = rng.normal(size=case.kernel_shape()).astype(np.float32)
    out = nn_reference.output_shape(case.x, kernel.shape, case.strides, case.padding)
    x, dy = (to_dtype(rng.normal(size=shape), dtype) for shape in (case.x, out))
    return x, kernel, dy


def convolution_results(x, kernel, dy, **options):
    """(output, input gradient, kernel gradient) of the native ops."""
    ops = native.ops()
    return (
        ops.lambda_fast_conv2d(input=x, kernel=kernel, **options),
        ops.lambda_fast_conv2d_backprop_input(x, kernel, dy, **options),
        ops.lambda_fast_conv2d_backprop_filter(x, kernel, dy, **options),
    )


# Shapes of the normalised tensor. A block is 16 Ki elements and at least 32 rows.
NORMALISATIONS = {
    "one_value": (1, 1),
    "one_row": (1, 24),
    "two_rows": (2, 5),
    "channels_1": (2, 100, 101, 1),
    "channels_3": (2, 61, 60, 3),
    "channels_5": (9, 7, 11, 5),
    "channels_16": (3, 21, 33, 16),
    "channels_24": (2, 20, 19, 24),
    "channels_32": (33, 8, 8, 32),
    "channels_48": (7, 7, 9, 48),
    "channels_64": (70, 5, 3, 64),
    "channels_100": (500, 100),
    "channels_256": (3, 11, 9, 256),
    "channels_1030": (71, 1030),
}


def normalisation_inputs(name, dtype):
    """A dict of x, residual and dy in the dtype, of scale, offset, mean and variance."""
    shape = NORMALISATIONS[name]
    rng = generator(name)
    channels = shape[-1:]
    values = {
        "scale": rng.normal(size=channels),
        "offset": rng.normal(size=channels),
        "mean": rng.normal(size=channels),
        "variance": rng.uniform(0.1, 4.0, size=channels),
    }
    values = {key: value.astype(np.float32) for key, value in values.items()}
    x = rng.normal(size=shape) * rng.uniform(0.3, 3.0, size=channels) + rng.normal(size=channels)
    images = {"x": x, "residual": rng.normal(size=shape), "dy": rng.normal(size=shape)}
    return values | {key: to_dtype(value, dtype) for key, value in images.items()}


def normalisation_results(x, residual, dy, scale, offset, mean, variance, has_residual, relu):
    """(y, mean, variance, dx, dscale, doffset, dresidual where there is one, y of inference)."""
    ops = native.ops()
    residuals = [residual] if has_residual else []
    options = {"epsilon": EPSILON, "relu": relu}
    y, own_mean, own_variance = ops.lambda_fast_batch_norm(x, scale, offset, residuals, **options)
    *grads, dresidual = ops.lambda_fast_batch_norm_grad(
        dy, x, y, scale, offset, own_mean, own_variance, residuals=len(residuals), **options
    )
    inference = ops.lambda_fast_batch_norm_inference(
        x, scale, offset, mean, variance, residuals, **options
    )
    return (y, own_mean, own_variance, *grads, *dresidual, inference)


def has_bfloat16_convolution():
    """oneDNN convolves in bfloat16 with AVX-512 alone."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    hidden = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in ("SSE41", "AVX", "AVX2")
    return not hidden and {"avx512bw", "avx512vl", "avx512dq"} <= set(text.split())


def sha256(arrays):
    """Of all bytes, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


HASHED_CONVOLUTIONS = ["batch_69", "batch_70", "narrow_33", "pairs_widest", "stem", "channels_130"]
HASHED_NORMALISATIONS = ["channels_1", "channels_3", "channels_100", "channels_64"]


def hashes():
    """The hash of each case's results, eagerly and from XLA."""

    def both(function, *inputs):
        jitted = tf.function(function, jit_compile=True)
        return [sha256(function(*inputs)), sha256(jitted(*inputs))]

    found = {}
    for dtype in DTYPES if has_bfloat16_convolution() else DTYPES[:1]:
        for name in HASHED_CONVOLUTIONS:
            options = CONVOLUTIONS[name].options()
            inputs = [tf.constant(value) for value in convolution_inputs(name, dtype)]
            found[f"convolution {name} {dtype}"] = both(
                lambda *values, options=options: convolution_results(*values, **options), *inputs
            )
    for dtype in DTYPES:
        for name in HASHED_NORMALISATIONS:
            inputs = normalisation_inputs(name, dtype)
            found[f"normalisation {name} {dtype}"] = both(
                lambda values: normalisation_results(**values, has_residual=True, relu=True),
                {key: tf.constant(value) for key, value in inputs.items()},
            )
    return found


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    print(json.dumps(hashes()))
