"""MaxPooling2D: maxima of windows, whose gradient is fast on CPUs where they do not overlap."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from lambda_fast.network.layers import kernels
from lambda_fast.network.layers.windows import require_whole, require_window


@keras.saving.register_keras_serializable("lambda_fast")
class MaxPooling2D(keras.layers.Layer):
    """The greatest value of each window of NHWC images, by channel.

    Args:
        pool_size: height and width of the window.
        strides: down and across.
        padding: pixels on every side that no window counts.
    """

    def __init__(self, pool_size: int, strides: int = 2, padding: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.pool_size, self.strides, self.padding = pool_size, strides, padding
        require_whole("MaxPooling2D", 1, pool_size=pool_size, strides=strides)
        require_whole("MaxPooling2D", 0, padding=padding)
        if padding >= pool_size:
            raise ValueError(
                f"[MaxPooling2D] expected padding below the window's {pool_size} pixels, found "
                f"{padding}"
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the images' size."""
        pads, window = (self.padding,) * 2, (self.pool_size,) * 2
        require_window("MaxPooling2D", window, input_shape, lambda *_: pads)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """[batch, height, width, channels] to [batch, out_height, out_width, channels]."""
        if kernels.has_native_kernels() and self.padding == 0 and self.pool_size == self.strides:
            return self._of_tiles(x)
        if self.padding:  # XLA takes no explicit padding here
            pads = (self.padding, self.padding)
            x = tf.pad(x, [(0, 0), pads, pads, (0, 0)], constant_values=x.dtype.min)
        return tf.nn.max_pool2d(x, self.pool_size, self.strides, "VALID")

    def _of_tiles(self, x: tf.Tensor) -> tf.Tensor:
        """Of windows that do not overlap, without XLA's windows, whose gradient is slow on CPUs.

        Equal greatest values share the gradient.
        """
        size = self.pool_size
        rows, columns = (extent // size for extent in x.shape[1:3])
        whole = x[:, : rows * size, : columns * size]
        tiles = tf.reshape(whole, (-1, rows, size, columns, size, x.shape[-1]))
        return tf.reduce_max(tiles, axis=(2, 4))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Of [batch, height, width, channels]."""
        sizes = [
            (extent + 2 * self.padding - self.pool_size) // self.strides + 1
            for extent in input_shape[1:3]
        ]
        return (input_shape[0], *sizes, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer."""
        return super().get_config() | {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
        }
