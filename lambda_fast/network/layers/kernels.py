"""Kernels: whether layers call the native ones, here and in what is traced now."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator

import tensorflow as tf

from lambda_fast import native

_tensorflow_alone = contextvars.ContextVar("tensorflow_alone", default=False)


@contextlib.contextmanager
def tensorflow_alone() -> Iterator[None]:
    """What is traced inside has TensorFlow's own ops alone, and so runs without this library."""
    token = _tensorflow_alone.set(True)
    try:
        yield
    finally:
        _tensorflow_alone.reset(token)


def has_native_kernels() -> bool:
    """Whether these layers call the native kernels here."""
    return _kernels_fit() and not _tensorflow_alone.get()


@functools.cache
def _kernels_fit() -> bool:
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return not on_gpu and bool(native.core().build_info()["convolution"])


@functools.cache
def has_fast_bfloat16() -> bool:
    """Whether this CPU has arithmetic for bfloat16, and oneDNN uses it."""
    return native.core().build_info()["fast_bfloat16"]
