"""Conv2D: a convolution whose variables are those of Keras'."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from lambda_fast import native
from lambda_fast.network.layers import kernels
from lambda_fast.network.layers.windows import require_whole, require_window

Padding = Literal["same", "valid"] | int


@keras.saving.register_keras_serializable("lambda_fast")
class Conv2D(keras.layers.Layer):
    """A convolution of NHWC images.

    Args:
        filters: output channels.
        kernel_size: height and width of the kernel: one number, or two.
        strides: down and across.
        padding: `same` and `valid` as in Keras, or the number of zero pixels on every side.
        kernel_initializer: as in Keras.
        use_bias: adds a number to each output channel; normalisation would take it off again.
        keep_input: also returns the input, for a shortcut past the layer. On the CPU the gradients
            of both are summed within the convolution's, where to sum them apart is a pass over
            three tensors.

    Call with float32 or bfloat16 [batch, height, width, channels]; returns the compute dtype, or
    a pair with `keep_input`.
    The kernel [height, width, channels, filters] and its gradient are float32.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int = 1,
        padding: Padding = "same",
        kernel_initializer: Any = "he_normal",
        use_bias: bool = False,
        keep_input: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        size = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        self.filters, self.kernel_size, self.strides = filters, size, strides
        self.padding, self.use_bias, self.keep_input = padding, use_bias, keep_input
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        for extent in size:
            require_whole("Conv2D", 1, filters=filters, kernel_size=extent, strides=strides)
        if padding not in ("same", "valid") and not (isinstance(padding, int) and padding >= 0):
            raise ValueError(
                "[Conv2D] expected padding 'same', 'valid' or a number of pixels, found "
                f"{padding!r}"
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel and, or not, the bias."""
        require_window("Conv2D", self.kernel_size, input_shape, self._pads)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            dtype="float32",
            autocast=False,  # rounded where it is used, together with its change of layout
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros", dtype="float32"
            )

    def call(self, x: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        """Convolves."""
        y, x = self._convolve(tf.cast(x, self.compute_dtype))
        if self.use_bias:
            y += tf.cast(self.bias, y.dtype)
        return (y, x) if self.keep_input else y

    def _convolve(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The output, and the input."""
        rows, columns = map(self._pads, x.shape[1:3], self.kernel_size)
        fits = x.dtype == tf.float32 or (x.dtype == tf.bfloat16 and kernels.has_fast_bfloat16())
        if kernels.has_native_kernels() and fits:
            ops, strides = native.ops(), (self.strides, self.strides)
            options = {"strides": strides, "padding": (*rows, *columns)}
            if self.keep_input:
                return ops.lambda_fast_conv2d_and_input(input=x, kernel=self.kernel, **options)
            return ops.lambda_fast_conv2d(input=x, kernel=self.kernel, **options), x
        kernel = tf.cast(self.kernel, self.compute_dtype)
        return tf.nn.conv2d(x, kernel, self.strides, [(0, 0), rows, columns, (0, 0)]), x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, ...]:
        """Of [batch, height, width, channels]."""
        sizes = [
            (extent + sum(self._pads(extent, size)) - size) // self.strides + 1
            for extent, size in zip(input_shape[1:3], self.kernel_size, strict=True)
        ]
        output = (input_shape[0], *sizes, self.filters)
        return (output, tuple(input_shape)) if self.keep_input else output

    def _pads(self, extent: int, size: int) -> tuple[int, int]:
        """Zero pixels before and after an axis."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "same":
            missing = size - (extent % self.strides or self.strides)
            return max(0, missing) // 2, max(0, missing) - max(0, missing) // 2
        return self.padding, self.padding

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "use_bias": self.use_bias,
            "keep_input": self.keep_input,
        }


def _options(op: tf.Operation) -> dict[str, Any]:
    return {"strides": op.get_attr("strides"), "padding": op.get_attr("padding")}


@tf.RegisterGradient("LambdaFast>Conv2D")
def _conv2d_gradient(op: tf.Operation, dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    x, kernel = op.inputs
    ops = native.ops()
    return (
        ops.lambda_fast_conv2d_backprop_input(x, kernel, dy, **_options(op)),
        ops.lambda_fast_conv2d_backprop_filter(x, kernel, dy, **_options(op)),
    )


@tf.RegisterGradient("LambdaFast>Conv2DAndInput")
def _conv2d_and_input_gradient(
    op: tf.Operation, dy: tf.Tensor, dx: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    x, kernel = op.inputs
    ops = native.ops()
    return (
        ops.lambda_fast_conv2d_backprop_input_add(x, kernel, dy, dx, **_options(op)),
        ops.lambda_fast_conv2d_backprop_filter(x, kernel, dy, **_options(op)),
    )
