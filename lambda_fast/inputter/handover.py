"""Handover: numpy's memory as a TensorFlow tensor, without a copy."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_ALIGNMENT = 64  # what TensorFlow's and XLA's CPU kernels expect of a buffer


def aligned_empty(shape: tuple[int, ...]) -> np.ndarray:
    """A uint8 array, not initialised, that `to_tensor` need not copy."""
    count = int(np.prod(shape, dtype=np.int64))
    memory = np.empty(count + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    return memory[begin : begin + count].reshape(shape)


def resident(images: np.ndarray) -> tf.Tensor:
    """A whole set where steps run: on the CPU its own memory if that is aligned, else a copy."""
    if tf.config.get_visible_devices("GPU") or images.ctypes.data % _ALIGNMENT:
        return tf.constant(images)
    return to_tensor(images)


def to_tensor(array: np.ndarray | tf.Tensor) -> tf.Tensor:
    """The array's memory as a tensor on the CPU; on a GPU machine TensorFlow moves it when used.

    The array must not be written any more. What is a tensor already stays where it is.
    """
    if isinstance(array, tf.Tensor):
        return array
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
