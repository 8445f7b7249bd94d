"""tf.data over image files: read, decode the crop, resize, flip, batch, prefetch; AUTOTUNE.

The pipeline of TensorFlow's performance guide and of the Keras examples for ImageNet. Its windows
are drawn beforehand, from the distribution that ours are drawn from: TensorFlow's own op
(sample_distorted_bounding_box) prefers small ones, which take less decoding.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.interleave import PREFETCHED, System
from benchmarks.steps_of import steps_of
from lambda_fast import native
from lambda_fast.augmenter.spec import AugmentSpec

AUTOTUNE = tf.data.AUTOTUNE
PREFETCH = 2  # AUTOTUNE would fill a large buffer while other systems are measured
EPOCHS = 20  # of windows, then the same again


def images(paths: Sequence[str], batch: int, spec: AugmentSpec, cached: bool = False) -> System:
    """JPEGs or PNGs, random resized crop to 224 and flip, uint8.

    With `cached`, JPEGs are decoded once, as a whole, and kept.
    """
    png = paths[0].endswith(".png")
    windows = _windows(paths, spec)
    if cached:
        decoded = tf.data.Dataset.from_tensor_slices(list(paths)).map(_whole_jpeg).cache()
        order = tf.data.Dataset.from_tensor_slices(windows).repeat()
        files = tf.data.Dataset.zip(decoded.repeat(), order).shuffle(len(paths))
        one, how = _window, "decode_jpeg, cache"
    else:
        files = tf.data.Dataset.from_tensor_slices((list(paths) * EPOCHS, windows))
        files = files.shuffle(len(windows)).repeat()
        one, how = (_png, "decode_png") if png else (_jpeg, "decode_and_crop_jpeg")
    made = files.map(one, num_parallel_calls=AUTOTUNE, deterministic=False)
    steps = steps_of(made.batch(batch, drop_remainder=True).prefetch(PREFETCH))
    return System(
        name="tf.data_cached" if cached else "tf.data",
        step=lambda: next(steps),
        images=batch,
        prefetched=PREFETCHED,
        facts={"how": f"{how}, tf.image.resize, AUTOTUNE"},
    )


def _windows(paths: Sequence[str], spec: AugmentSpec) -> np.ndarray:
    """int32 [EPOCHS * paths, 4]: y, x, height, width."""
    sizes = []
    for path in paths:
        with Image.open(path) as image:
            sizes.append((image.height, image.width))
    table, ids = np.array(sizes, np.int32), np.arange(len(paths), dtype=np.int64)
    crops = [native.core().crop_windows(table, ids, 1, e, spec.fields()) for e in range(EPOCHS)]
    return np.concatenate(crops)


def _jpeg(path: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    return _resized(tf.image.decode_and_crop_jpeg(tf.io.read_file(path), window, channels=3))


def _png(path: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """A PNG can only be decoded as a whole."""
    return _window(tf.io.decode_png(tf.io.read_file(path), channels=3), window)


def _whole_jpeg(path: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(tf.io.read_file(path), channels=3)


def _window(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    return _resized(tf.slice(image, [window[0], window[1], 0], [window[2], window[3], 3]))


def _resized(image: tf.Tensor) -> tf.Tensor:
    image = tf.image.resize(image, (224, 224))
    return tf.cast(tf.image.random_flip_left_right(image), tf.uint8)
