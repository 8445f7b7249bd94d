"""Convolution, batch normalisation and pooling that are fast on CPUs, with Keras' variables.

On a CPU, convolution and normalisation call the native kernels (oneDNN's convolutions;
normalisation, addition and ReLU in one pass) from inside the XLA program. Where TensorFlow sees a
GPU, the library was built without oneDNN, or the type is one that they are not made for (bfloat16
convolution on a CPU without AVX512-BF16 or AMX, float16, float64), they are TensorFlow's own ops.
Variables, their names and their values are the same either way, and the same as in `keras.layers`,
so checkpoints and pretrained weights move between them.
"""

from lambda_fast.network.layers.batch_normalization import BatchNormalization
from lambda_fast.network.layers.convolution import Conv2D
from lambda_fast.network.layers.kernels import (
    has_fast_bfloat16,
    has_native_kernels,
    tensorflow_alone,
)
from lambda_fast.network.layers.pooling import MaxPooling2D

__all__ = [
    "BatchNormalization",
    "Conv2D",
    "MaxPooling2D",
    "has_fast_bfloat16",
    "has_native_kernels",
    "tensorflow_alone",
]
