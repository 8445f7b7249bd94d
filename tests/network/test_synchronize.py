"""Synchronised batch normalisation alone is batch normalisation; Keras' own is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast.config import ConfigError
from lambda_fast.network.layers import BatchNormalization
from lambda_fast.network.synchronize import synchronize


def results(synchronized, dtype):
    """Output, gradients and moving statistics of one training step."""
    rng = np.random.default_rng(3)
    x, residual, weights = (
        tf.constant(rng.normal(mean, 1.0, (8, 6, 5, 16)), dtype) for mean in (20.0, 0.5, 0.5)
    )
    layer = BatchNormalization(relu=True, dtype=dtype)
    layer.build(x.shape, x.shape)
    layer.synchronized = synchronized
    layer.gamma.assign(rng.uniform(0.5, 2.0, 16))

    @tf.function(jit_compile=True)
    def step(x, residual):
        with tf.GradientTape() as tape:
            tape.watch([x, residual])
            y = layer(x, residual, training=True)
            loss = tf.reduce_sum(tf.cast(y * weights, tf.float32))
        gradients = tape.gradient(loss, [x, residual, layer.gamma.value, layer.beta.value])
        return [y, *gradients]

    return [*step(x, residual), layer.moving_mean.value, layer.moving_variance.value]


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-4), ("bfloat16", 1e-2)])
def test_a_world_of_one_gives_the_native_kernels_values(dtype, bound):
    for found, expected in zip(results(True, dtype), results(False, dtype), strict=True):
        assert found.dtype == expected.dtype
        found, expected = (np.asarray(tf.cast(value, tf.float32)) for value in (found, expected))
        assert np.abs(found - expected).max() <= bound * np.abs(expected).max()


def test_our_layers_are_synchronized_also_within_other_models():
    inner = keras.Sequential([keras.Input((4,)), BatchNormalization()])
    model = keras.Sequential([keras.Input((4,)), inner, BatchNormalization()])
    synchronize(model)
    assert inner.layers[0].synchronized and model.layers[-1].synchronized


def test_layers_of_keras_are_refused_by_name():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(name="deep")])
    model = keras.Sequential([keras.Input((4,)), inner])
    with pytest.raises(ConfigError, match=r"\[modeler.sync_batch_norm\] expected .*: deep\. Use"):
        synchronize(model)
