"""Training steps that run at the same time in one process give the bits that each gives alone."""

import threading

import keras
import nn_cases
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast.network import layers
from lambda_fast.network.layers import BatchNormalization, Conv2D

STEPS = 30
CLASSES = 7
# Batch, height, width, image channels; channels of the layers; strides of the last; policy.
NETWORKS = {
    "narrow": ((24, 12, 17, 3), (16, 32, 32), 1, "mixed_bfloat16"),
    "float32": ((17, 15, 13, 3), (16, 32, 48), 2, "float32"),
    "pairs": ((9, 21, 19, 5), (24, 48, 64), 2, "mixed_bfloat16"),
    "odd_channels": ((33, 9, 8, 1), (5, 7, 130), 1, "float32"),
}

pytestmark = pytest.mark.skipif(
    not layers.has_native_kernels(), reason="a build without oneDNN, or a machine with a GPU"
)


def network(shape, channels, stride, policy):
    options = {"dtype": policy}
    x = image = keras.Input(shape[1:])
    for width, strides in zip(channels, (1, 1, stride), strict=True):
        x = Conv2D(width, 3, strides=strides, **options)(x)
        x = shortcut = BatchNormalization(relu=True, **options)(x)
        x = Conv2D(width, 3, padding=1, **options)(x)
        x = BatchNormalization(relu=True, **options)(x, shortcut)
    x = keras.layers.GlobalAveragePooling2D(**options)(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, **options)(x))


class Training:
    """A network, its batches, and its step as one XLA program."""

    def __init__(self, name):
        shape, channels, stride, policy = NETWORKS[name]
        if not nn_cases.has_bfloat16_convolution():
            policy = "float32"
        rng = nn_cases.generator(name)
        self.images = tf.constant(rng.normal(size=(4, *shape)), tf.float32)
        self.labels = tf.constant(rng.integers(0, CLASSES, (4, shape[0])))
        keras.utils.set_random_seed(5)
        self.model = network(shape, channels, stride, policy)
        self.first = self.model.get_weights()
        self.losses = []

    @tf.function(jit_compile=True)
    def step(self, images, labels):
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(images, training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.05 * gradient)
        return loss

    def run(self):
        """All steps from the first weights on."""
        self.losses = [
            self.step(self.images[step % 4], self.labels[step % 4]).numpy() for step in range(STEPS)
        ]

    def reset(self):
        self.model.set_weights(self.first)

    def bits(self):
        return [np.asarray(value).tobytes() for value in (self.losses, *self.model.get_weights())]


def together(functions):
    """Runs each on a thread of its own, from the same moment on; raises what one of them did."""
    barrier, failures = threading.Barrier(len(functions)), []

    def body(function):
        barrier.wait()
        try:
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=body, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_four_trainings_at_once_equal_each_alone():
    trainings = [Training(name) for name in NETWORKS]
    alone = []
    for training in trainings:
        training.run()
        assert np.isfinite(training.losses).all()
        assert training.losses[-1] < training.losses[0]
        alone.append(training.bits())
    for training in trainings:
        training.reset()
    together([training.run for training in trainings])
    assert [training.bits() for training in trainings] == alone


def test_threads_that_meet_a_shape_for_the_first_time_at_once():
    """Each compiles its plans, or takes those of another thread."""
    rng = np.random.default_rng(0)
    for width in range(9, 14):
        for dtype in nn_cases.DTYPES if nn_cases.has_bfloat16_convolution() else ["float32"]:
            x = nn_cases.to_dtype(rng.normal(size=(5, 4, width, 11)), dtype)
            kernel = rng.normal(size=(3, 3, 11, 13)).astype(np.float32)
            dy = nn_cases.to_dtype(rng.normal(size=(5, 4, width, 13)), dtype)
            options = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
            found = [None] * 4

            def call(i, inputs=(x, kernel, dy), options=options, found=found):
                results = nn_cases.convolution_results(*inputs, **options)
                found[i] = [result.numpy().tobytes() for result in results]

            together([lambda i=i, call=call: call(i) for i in range(4)])
            again = [
                result.numpy().tobytes()
                for result in nn_cases.convolution_results(x, kernel, dy, **options)
            ]
            assert found == [again] * 4
