"""Convolution and batch normalisation, slow and plain: float64 numpy, from their definitions."""

# Products go through einsum: BLAS has threads, which can wait for one another on busy cores.
import ml_dtypes
import numpy as np


def rounded(array, dtype):
    """The array's values as `dtype` ("float32" or "bfloat16") holds them, as float64."""
    narrow = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}[dtype]
    return np.asarray(array).astype(narrow).astype(np.float64)


def _padded(x, padding):
    top, bottom, left, right = padding
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


def _taps(kernel_shape, out_shape, strides):
    """For each place (ky, kx) of the kernel, the slice of the padded input that it meets."""
    for ky in range(kernel_shape[0]):
        for kx in range(kernel_shape[1]):
            rows = slice(ky, ky + (out_shape[1] - 1) * strides[0] + 1, strides[0])
            columns = slice(kx, kx + (out_shape[2] - 1) * strides[1] + 1, strides[1])
            yield ky, kx, (slice(None), rows, columns)


def output_shape(x_shape, kernel_shape, strides, padding):
    """Of the convolution: (batch, height, width, out_channels)."""
    top, bottom, left, right = padding
    height = (x_shape[1] + top + bottom - kernel_shape[0]) // strides[0] + 1
    width = (x_shape[2] + left + right - kernel_shape[1]) // strides[1] + 1
    return x_shape[0], height, width, kernel_shape[3]


def convolve(x, kernel, strides, padding):
    """NHWC images and an HWIO kernel; padding is (top, bottom, left, right)."""
    out = np.zeros(output_shape(x.shape, kernel.shape, strides, padding))
    wide = _padded(np.asarray(x, np.float64), padding)
    kernel = np.asarray(kernel, np.float64)
    for ky, kx, seen in _taps(kernel.shape, out.shape, strides):
        out += np.einsum("nyxi,io->nyxo", wide[seen], kernel[ky, kx])
    return out


def convolve_backward_input(x_shape, kernel, dy, strides, padding):
    """The gradient of sum(dy * convolve(x, kernel)) to x."""
    wide = _padded(np.zeros(x_shape), padding)
    dy, kernel = np.asarray(dy, np.float64), np.asarray(kernel, np.float64)
    for ky, kx, seen in _taps(kernel.shape, dy.shape, strides):
        wide[seen] += np.einsum("nyxo,io->nyxi", dy, kernel[ky, kx])
    top, _, left, _ = padding
    return wide[:, top : top + x_shape[1], left : left + x_shape[2]]


def convolve_backward_kernel(x, kernel_shape, dy, strides, padding):
    """The gradient of sum(dy * convolve(x, kernel)) to the kernel."""
    wide = _padded(np.asarray(x, np.float64), padding)
    dy = np.asarray(dy, np.float64)
    out = np.zeros(kernel_shape)
    for ky, kx, seen in _taps(kernel_shape, dy.shape, strides):
        out[ky, kx] = np.einsum("nyxi,nyxo->io", wide[seen], dy)
    return out


def normalise(x, scale, offset, mean, variance, epsilon, residual=None, relu=False):
    """relu(scale * (x - mean) / sqrt(variance + epsilon) + offset + residual)."""
    y = scale * (np.asarray(x, np.float64) - mean) / np.sqrt(variance + epsilon) + offset
    if residual is not None:
        y = y + residual
    return np.where(y < 0, 0.0, y) if relu else y


def batch_norm(x, scale, offset, epsilon, residual=None, relu=False):
    """With the batch's own statistics: (y, mean, variance)."""
    x = np.asarray(x, np.float64)
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    return normalise(x, scale, offset, mean, variance, epsilon, residual, relu), mean, variance


def batch_norm_backward(dy, x, y, scale, epsilon, relu=False):
    """The gradients of sum(dy * y) to (x, scale, offset, residual); y tells where relu let pass."""
    x, g = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    if relu:
        g = np.where(np.asarray(y, np.float64) > 0, g, 0.0)
    axes = tuple(range(x.ndim - 1))
    deviation = np.sqrt(x.var(axis=axes) + epsilon)
    normal = (x - x.mean(axis=axes)) / deviation
    dscale, doffset = (g * normal).sum(axis=axes), g.sum(axis=axes)
    rows = x.size // x.shape[-1]
    dx = scale / deviation * (g - doffset / rows - normal * dscale / rows)
    return dx, dscale, doffset, g
