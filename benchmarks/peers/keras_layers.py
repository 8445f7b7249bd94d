"""Keras' preprocessing layers, mapped in tf.data, as Keras' guides do for CPUs."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.images import batches_of
from benchmarks.interleave import PREFETCHED, System
from benchmarks.steps_of import steps_of

AUTOTUNE = tf.data.AUTOTUNE


def augment_cifar(images: np.ndarray, batch: int) -> System:
    """The classic CIFAR augmentation, batch by batch.

    Less work than ours: RandomCrop draws one window for the whole batch. The last step is
    tf.image.per_image_standardization, as Keras has no layer for it.
    """
    chain = keras.Sequential(
        [
            layers.ZeroPadding2D(4),
            layers.RandomCrop(32, 32),
            layers.RandomFlip("horizontal"),
            layers.RandomBrightness(63 / 255, value_range=(0, 255)),
            layers.RandomContrast(0.8, value_range=(0, 255)),
        ]
    )

    def augment(batched: tf.Tensor) -> tf.Tensor:
        return tf.image.per_image_standardization(chain(batched, training=True))

    batches = tf.data.Dataset.from_tensor_slices(batches_of(images, batch)).repeat()
    augmented = batches.map(augment, num_parallel_calls=AUTOTUNE)
    return _system(augmented, batch, "one crop window a batch")


def augment_imagenet(images: np.ndarray, batch: int, mean: Any, std: Any) -> System:
    """The nearest to a random resized crop: a window of 300x300, resized to 224; image by image.

    Less work than ours: the window's area and aspect are fixed, as Keras has no layer that draws
    them. Image by image is faster here than batch by batch, and each image has its own window. A
    RandomZoom would draw a scale, and takes twice the time.
    """
    chain = keras.Sequential(
        [
            layers.RandomCrop(300, 300),
            layers.Resizing(224, 224),
            layers.RandomFlip("horizontal"),
            layers.Normalization(mean=mean, variance=np.square(std)),
        ]
    )

    def augment(image: tf.Tensor) -> tf.Tensor:
        return chain(image[None], training=True)[0]

    samples = tf.data.Dataset.from_tensor_slices(images).repeat()
    augmented = samples.map(augment, num_parallel_calls=AUTOTUNE)
    return _system(augmented.batch(batch, drop_remainder=True), batch, "fixed window size")


def _system(augmented: tf.data.Dataset, batch: int, how: str) -> System:
    steps = steps_of(augmented.prefetch(2))
    return System(
        name="keras",
        step=lambda: next(steps),
        images=batch,
        prefetched=PREFETCHED,
        facts={"how": how},
    )
