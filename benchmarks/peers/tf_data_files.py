"""tf.data over image files: read, decode the crop, resize, flip, batch, prefetch; AUTOTUNE.

The pipeline of TensorFlow's performance guide and of the Keras examples for ImageNet.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from benchmarks.interleave import PREFETCHED, System

AUTOTUNE = tf.data.AUTOTUNE
PREFETCH = 2  # AUTOTUNE would fill a large buffer while other systems are measured


def jpeg(paths: Sequence[str], batch: int) -> System:
    """JPEGs, random resized crop to 224 and flip, uint8."""
    files = tf.data.Dataset.from_tensor_slices((list(paths), np.arange(len(paths))))
    files = files.shuffle(len(paths)).repeat()
    images = files.map(_jpeg, num_parallel_calls=AUTOTUNE, deterministic=False)
    steps = iter(images.batch(batch, drop_remainder=True).prefetch(PREFETCH))
    return System(
        name="tf.data",
        step=lambda: next(steps)[0],
        images=batch,
        prefetched=PREFETCHED,
        facts={"how": "decode_and_crop_jpeg, tf.image.resize, AUTOTUNE"},
    )


def _jpeg(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    content = tf.io.read_file(path)
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        tf.io.extract_jpeg_shape(content),
        tf.zeros([0, 0, 4]),
        min_object_covered=0.0,
        area_range=(0.08, 1.0),
        aspect_ratio_range=(0.75, 4.0 / 3.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    window = tf.concat([begin[:2], size[:2]], axis=0)
    image = tf.image.decode_and_crop_jpeg(content, window, channels=3)
    image = tf.image.resize(image, (224, 224))
    return tf.cast(tf.image.random_flip_left_right(image), tf.uint8), label
