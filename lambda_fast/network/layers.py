"""Convolution, batch normalisation and pooling that are fast on CPUs, with Keras' variables.

On a CPU, convolution and normalisation call the native kernels (oneDNN's convolutions;
normalisation, addition and ReLU in one pass) from inside the XLA program. Where TensorFlow sees a
GPU, the library was built without oneDNN, or the type is one that they are not made for (bfloat16
convolution on a CPU without AVX512-BF16 or AMX, float16, float64), they are TensorFlow's own ops.
Variables, their names and their values are the same either way, and the same as in `keras.layers`,
so checkpoints and pretrained weights move between them.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from lambda_fast import native
from lambda_fast.network.rank_statistics import moments

Padding = Literal["same", "valid"] | int


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


def _require_whole(layer: str, least: int, **numbers: Any) -> None:
    for name, value in numbers.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(
                f"[{layer}] expected {name} as a whole number of at least {least}, found {value!r}"
            )


def _require_window(
    layer: str, window: tuple[int, int], shape: tuple[int | None, ...], pads: Any
) -> None:
    """Refuses images that are smaller than the window, padding included.

    `pads(extent, size)` gives the zeros before and after an axis.
    """
    if len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            f"[{layer}] expected images [batch, height, width, channels] of a known size, found "
            f"{tuple(shape)}"
        )
    axes = zip(shape[1:3], window, strict=True)
    if any(extent + sum(pads(extent, size)) < size for extent, size in axes):
        raise ValueError(
            f"[{layer}] expected images of at least {window[0]} x {window[1]} pixels, padding "
            f"included, found {tuple(shape)}"
        )


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

    Call with float32 or bfloat16 [batch, height, width, channels]; returns the compute dtype.
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        size = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        self.filters, self.kernel_size, self.strides = filters, size, strides
        self.padding, self.use_bias = padding, use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        for extent in size:
            _require_whole("Conv2D", 1, filters=filters, kernel_size=extent, strides=strides)
        if padding not in ("same", "valid") and not (isinstance(padding, int) and padding >= 0):
            raise ValueError(
                "[Conv2D] expected padding 'same', 'valid' or a number of pixels, found "
                f"{padding!r}"
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernel and, or not, the bias."""
        _require_window("Conv2D", self.kernel_size, input_shape, self._pads)
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

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Convolves."""
        y = self._convolve(tf.cast(x, self.compute_dtype))
        return y + tf.cast(self.bias, y.dtype) if self.use_bias else y

    def _convolve(self, x: tf.Tensor) -> tf.Tensor:
        rows, columns = map(self._pads, x.shape[1:3], self.kernel_size)
        fits = x.dtype == tf.float32 or (x.dtype == tf.bfloat16 and has_fast_bfloat16())
        if has_native_kernels() and fits:
            return native.ops().lambda_fast_conv2d(
                input=x,
                kernel=self.kernel,
                strides=(self.strides, self.strides),
                padding=(*rows, *columns),
            )
        kernel = tf.cast(self.kernel, self.compute_dtype)
        return tf.nn.conv2d(x, kernel, self.strides, [(0, 0), rows, columns, (0, 0)])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Of [batch, height, width, channels]."""
        sizes = [
            (extent + sum(self._pads(extent, size)) - size) // self.strides + 1
            for extent, size in zip(input_shape[1:3], self.kernel_size, strict=True)
        ]
        return (input_shape[0], *sizes, self.filters)

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
        }


@keras.saving.register_keras_serializable("lambda_fast")
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation (Ioffe and Szegedy, 2015, arXiv:1502.03167) and what follows it.

    `relu(scale * (x - mean) / sqrt(variance + epsilon) + offset + residual)`, in one pass over the
    memory on CPUs.

    Args:
        relu: cuts off negative values.
        momentum: of the moving statistics.
        epsilon: added to the variance.
        gamma_initializer: of the scale.
        scale: whether there is a scale; without it, it is 1.

    Attributes:
        synchronized: in training, the batch is that of all ranks together; TensorFlow's own ops
            then. A matter of the run, which neither a config nor a checkpoint of the layer holds.

    Call with `x` and, or not, a residual of the same shape and dtype, [..., channels]; returns the
    layer's compute dtype. Variables and statistics are float32.
    """

    synchronized = False

    def __init__(
        self,
        relu: bool = False,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "ones",
        scale: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.relu, self.momentum, self.epsilon, self.scale = relu, momentum, epsilon, scale
        self.gamma_initializer = keras.initializers.get(gamma_initializer)

    def build(
        self,
        x_shape: tuple[int | None, ...],
        residual_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Makes scale, offset and moving statistics."""
        if residual_shape is not None and tuple(residual_shape) != tuple(x_shape):
            raise ValueError(
                f"[BatchNormalization] expected a residual of shape {tuple(x_shape)}, found "
                f"{tuple(residual_shape)}"
            )

        def weight(name: str, initializer: Any, trainable: bool) -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=(x_shape[-1],),
                initializer=initializer,
                trainable=trainable,
                dtype="float32",
                autocast=False,
            )

        if self.scale:
            self.gamma = weight("gamma", self.gamma_initializer, True)
        else:
            self.gamma = np.ones(x_shape[-1:], np.float32)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(
        self, x: tf.Tensor, residual: tf.Tensor | None = None, training: bool | None = None
    ) -> tf.Tensor:
        """Normalises with the batch's statistics in training, else with the moving ones."""
        x = tf.cast(x, self.compute_dtype)
        residuals = [] if residual is None else [tf.cast(residual, self.compute_dtype)]
        if not (training and self.trainable):
            return self._normalise(x, residuals)
        y, mean, variance = self._normalise_batch(x, residuals)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving.value + (1.0 - self.momentum) * value)
        return y

    def _normalise(self, x: tf.Tensor, residuals: list[tf.Tensor]) -> tf.Tensor:
        statistics = self.moving_mean.value, self.moving_variance.value
        if self._fits(x):
            return native.ops().lambda_fast_batch_norm_inference(
                x, self.gamma, self.beta, *statistics, residuals, self.epsilon, self.relu
            )
        return self._finish(self._scaled(x, *statistics), residuals, x.dtype)

    def _normalise_batch(
        self, x: tf.Tensor, residuals: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        if self.synchronized:
            wide = tf.cast(x, tf.float32)  # once, so that its gradients are added before rounding
            mean, variance = moments(wide, self.moving_mean.value)
            y = self._finish(self._scaled(wide, mean, variance), residuals, x.dtype)
            return y, mean, variance
        if self._fits(x):
            return native.ops().lambda_fast_batch_norm(
                x, self.gamma, self.beta, residuals, self.epsilon, self.relu
            )
        if len(x.shape) == 4 and x.dtype != tf.float64:  # cuDNN's
            y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                x, self.gamma, self.beta, epsilon=self.epsilon
            )
            # It divides by one less than the number of rows.
            rows = tf.cast(tf.size(x) / tf.shape(x)[-1], tf.float32)
            variance = variance * (rows - 1.0) / rows
            return self._finish(tf.cast(y, tf.float32), residuals, x.dtype), mean, variance
        wide = tf.cast(x, tf.float32)
        mean, variance = tf.nn.moments(wide, list(range(len(x.shape) - 1)))
        return self._finish(self._scaled(x, mean, variance), residuals, x.dtype), mean, variance

    @staticmethod
    def _fits(x: tf.Tensor) -> bool:
        return has_native_kernels() and x.dtype in (tf.float32, tf.bfloat16)

    def _scaled(self, x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        gain = self.gamma * tf.math.rsqrt(variance + self.epsilon)
        return (tf.cast(x, tf.float32) - mean) * gain + self.beta

    def _finish(self, y: tf.Tensor, residuals: list[tf.Tensor], dtype: tf.DType) -> tf.Tensor:
        for residual in residuals:
            y = y + tf.cast(residual, tf.float32)
        return tf.cast(tf.nn.relu(y) if self.relu else y, dtype)

    def compute_output_shape(
        self,
        x_shape: tuple[int | None, ...],
        residual_shape: tuple[int | None, ...] | None = None,
    ) -> tuple[int | None, ...]:
        """The input's."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer."""
        return super().get_config() | {
            "relu": self.relu,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "scale": self.scale,
        }


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
        _require_whole("MaxPooling2D", 1, pool_size=pool_size, strides=strides)
        _require_whole("MaxPooling2D", 0, padding=padding)
        if padding >= pool_size:
            raise ValueError(
                f"[MaxPooling2D] expected padding below the window's {pool_size} pixels, found "
                f"{padding}"
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the images' size."""
        pads, window = (self.padding,) * 2, (self.pool_size,) * 2
        _require_window("MaxPooling2D", window, input_shape, lambda *_: pads)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """[batch, height, width, channels] to [batch, out_height, out_width, channels]."""
        if has_native_kernels() and self.padding == 0 and self.pool_size == self.strides:
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


@tf.RegisterGradient("LambdaFast>Conv2D")
def _conv2d_gradient(op: tf.Operation, dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    x, kernel = op.inputs
    options = {"strides": op.get_attr("strides"), "padding": op.get_attr("padding")}
    ops = native.ops()
    return (
        ops.lambda_fast_conv2d_backprop_input(x, kernel, dy, **options),
        ops.lambda_fast_conv2d_backprop_filter(x, kernel, dy, **options),
    )


@tf.RegisterGradient("LambdaFast>BatchNorm")
def _batch_norm_gradient(op: tf.Operation, dy: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor]:
    """The statistics feed moving averages, through which nothing flows back."""
    x, scale, _offset, *residuals = op.inputs
    y, mean, variance = op.outputs
    relu = op.get_attr("relu")
    dx, dscale, doffset, dresidual = native.ops().lambda_fast_batch_norm_grad(
        dy,
        x,
        y if relu else x,
        scale,
        mean,
        variance,
        residuals=len(residuals) if relu else 0,
        epsilon=op.get_attr("epsilon"),
        relu=relu,
    )
    return [dx, dscale, doffset, *(dresidual if relu else [dy] * len(residuals))]


@tf.RegisterGradient("LambdaFast>BatchNormInference")
def _batch_norm_inference_gradient(op: tf.Operation, dy: tf.Tensor) -> list[tf.Tensor | None]:
    """Of a frozen layer; statistics from before are constants."""
    x, scale, _offset, mean, variance, *residuals = op.inputs
    if op.get_attr("relu"):
        dy = tf.where(op.outputs[0] > 0, dy, tf.zeros_like(dy))
    wide = tf.cast(dy, tf.float32)
    deviation = tf.math.rsqrt(variance + op.get_attr("epsilon"))
    axes = list(range(len(x.shape) - 1))
    dscale = tf.reduce_sum(wide * (tf.cast(x, tf.float32) - mean) * deviation, axes)
    dx = tf.cast(wide * (scale * deviation), x.dtype)
    return [dx, dscale, tf.reduce_sum(wide, axes), None, None, *([dy] * len(residuals))]
