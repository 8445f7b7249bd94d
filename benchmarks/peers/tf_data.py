"""tf.data with tf.image: image by image as in TensorFlow's tutorials, and batch by batch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.images import batches_of
from benchmarks.interleave import PREFETCHED, System
from benchmarks.steps_of import steps_of

AUTOTUNE = tf.data.AUTOTUNE
PREFETCH = 2
Function = Callable[[tf.Tensor], tf.Tensor]


def augment_cifar(images: np.ndarray, batch: int) -> System:
    """The classic CIFAR augmentation, image by image."""
    steps = _image_by_image(images, batch, _cifar_image)
    return _system("tf.data", steps, batch, "tf.image, image by image")


def augment_cifar_batched(images: np.ndarray, batch: int) -> System:
    """The same arithmetic written for whole batches, with gathers for the crop and the flip."""
    steps = _batch_by_batch(images, batch, _cifar_batch)
    return _system("tf.data_batched", steps, batch, "vectorised by hand")


def augment_imagenet(images: np.ndarray, batch: int, mean: Any, std: Any) -> System:
    """Random resized crop, image by image."""
    steps = _image_by_image(images, batch, lambda image: _imagenet_image(image, mean, std))
    return _system("tf.data", steps, batch, "tf.image, image by image")


def augment_imagenet_batched(images: np.ndarray, batch: int, mean: Any, std: Any) -> System:
    """Random resized crop by one crop_and_resize a batch."""
    steps = _batch_by_batch(images, batch, lambda batched: _imagenet_batch(batched, mean, std))
    return _system("tf.data_batched", steps, batch, "tf.image.crop_and_resize")


def _image_by_image(images: np.ndarray, batch: int, function: Function) -> Iterator[tf.Tensor]:
    samples = tf.data.Dataset.from_tensor_slices(images).repeat()
    augmented = samples.map(function, num_parallel_calls=AUTOTUNE)
    return steps_of(augmented.batch(batch, drop_remainder=True).prefetch(PREFETCH))


def _batch_by_batch(images: np.ndarray, batch: int, function: Function) -> Iterator[tf.Tensor]:
    batches = tf.data.Dataset.from_tensor_slices(batches_of(images, batch)).repeat()
    return steps_of(batches.map(function, num_parallel_calls=AUTOTUNE).prefetch(PREFETCH))


def _system(name: str, steps: Iterator[tf.Tensor], batch: int, how: str) -> System:
    return System(
        name=name, step=lambda: next(steps), images=batch, prefetched=PREFETCHED, facts={"how": how}
    )


def _cifar_image(image: tf.Tensor) -> tf.Tensor:
    image = tf.pad(image, [[4, 4], [4, 4], [0, 0]])
    image = tf.cast(tf.image.random_crop(image, [32, 32, 3]), tf.float32)
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, 63.0)
    image = tf.image.random_contrast(image, 0.2, 1.8)
    return tf.image.per_image_standardization(image)


def _cifar_batch(images: tf.Tensor) -> tf.Tensor:
    count = images.shape[0]
    images = tf.pad(images, [[0, 0], [4, 4], [4, 4], [0, 0]])
    rows = tf.random.uniform([count, 1], 0, 9, tf.int32) + tf.range(32)
    columns = tf.range(32)[None]
    columns = tf.where(tf.random.uniform([count, 1]) < 0.5, 31 - columns, columns)
    columns += tf.random.uniform([count, 1], 0, 9, tf.int32)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    images = tf.cast(tf.gather(images, columns, axis=2, batch_dims=1), tf.float32)
    images += tf.random.uniform([count, 1, 1, 1], -63.0, 63.0)
    mean = tf.reduce_mean(images, [1, 2], keepdims=True)
    images = (images - mean) * tf.random.uniform([count, 1, 1, 1], 0.2, 1.8) + mean
    return tf.image.per_image_standardization(images)


def _imagenet_image(image: tf.Tensor, mean: Any, std: Any) -> tf.Tensor:
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros([1, 0, 4]),
        min_object_covered=0.0,
        area_range=(0.08, 1.0),
        aspect_ratio_range=(0.75, 4.0 / 3.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    image = tf.image.resize(tf.slice(image, begin, size), [224, 224])
    image = tf.ensure_shape(tf.image.random_flip_left_right(image), [224, 224, 3])
    return (image - mean) / std


def _imagenet_batch(images: tf.Tensor, mean: Any, std: Any) -> tf.Tensor:
    count, height, width = images.shape[:3]
    area = tf.random.uniform([count], 0.08, 1.0) * float(height * width)
    aspect = tf.exp(tf.random.uniform([count], np.log(0.75), np.log(4.0 / 3.0)))
    box_height = tf.minimum(tf.sqrt(area / aspect) / height, 1.0)
    box_width = tf.minimum(tf.sqrt(area * aspect) / width, 1.0)
    top = tf.random.uniform([count]) * (1.0 - box_height)
    left = tf.random.uniform([count]) * (1.0 - box_width)
    bottom, right = top + box_height, left + box_width
    flip = tf.random.uniform([count]) < 0.5  # a box from right to left is a flipped one
    left, right = tf.where(flip, right, left), tf.where(flip, left, right)
    boxes = tf.stack([top, left, bottom, right], axis=-1)
    resized = tf.image.crop_and_resize(images, boxes, tf.range(count), [224, 224])
    return (resized - mean) / std
