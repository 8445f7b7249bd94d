"""Keras' preprocessing layers, mapped over batches in tf.data, as Keras' guides do for CPUs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.images import batches_of
from benchmarks.interleave import PREFETCHED, System

PREFETCH = 2


def augment_cifar(images: np.ndarray, batch: int) -> System:
    """The classic CIFAR augmentation.

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

    return _system(images, batch, augment, "one crop window a batch")


def augment_imagenet(images: np.ndarray, batch: int, mean: Any, std: Any) -> System:
    """The nearest to a random resized crop: a random zoom of each image, once resized to 224.

    Less work than ours: the window is centred, and cut from 224x224 pixels instead of 500x375.
    Keras has no layer that crops and resizes at random.
    """
    chain = keras.Sequential(
        [
            layers.Resizing(224, 224),
            layers.RandomZoom((-0.7, 0.0), (-0.7, 0.0), interpolation="bilinear"),
            layers.RandomFlip("horizontal"),
            layers.Normalization(mean=mean, variance=np.square(std)),
        ]
    )
    return _system(images, batch, lambda batched: chain(batched, training=True), "RandomZoom")


def _system(
    images: np.ndarray, batch: int, augment: Callable[[tf.Tensor], tf.Tensor], how: str
) -> System:
    batches = tf.data.Dataset.from_tensor_slices(batches_of(images, batch)).repeat()
    steps = iter(batches.map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(PREFETCH))
    return System(
        name="keras",
        step=lambda: next(steps),
        images=batch,
        prefetched=PREFETCHED,
        facts={"how": how},
    )
