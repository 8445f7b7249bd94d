"""BatchNormalization: batch normalisation, addition and ReLU as one layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lambda_fast import native
from lambda_fast.network.layers import kernels
from lambda_fast.network.rank_statistics import moments


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
        return kernels.has_native_kernels() and x.dtype in (tf.float32, tf.bfloat16)

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


@tf.RegisterGradient("LambdaFast>BatchNorm")
def _batch_norm_gradient(op: tf.Operation, dy: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor]:
    """The statistics feed moving averages, through which nothing flows back."""
    x, scale, offset, *residuals = op.inputs
    y, mean, variance = op.outputs
    relu = op.get_attr("relu")
    dx, dscale, doffset, dresidual = native.ops().lambda_fast_batch_norm_grad(
        dy,
        x,
        y if relu else x,
        scale,
        offset,
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
