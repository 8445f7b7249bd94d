"""Upright: turns a JPEG as its EXIF says, in TensorFlow's own ops, for exported networks."""

from __future__ import annotations

import functools

import tensorflow as tf

_ORIENTATION = 0x0112


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """How a JPEG's pixels lie (Exif 2.3, 4.6.4 A), read from its first Exif segment.

    Args:
        encoded: string scalar, the file.

    Returns:
        int64 scalar, 1..8; 1, upright, for files of other kinds, and where nothing is said.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)

    def bytes_at(place: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
        """As int64 [count]; zeros behind the end."""
        part = tf.cast(data[place : place + count], tf.int64)
        whole = tf.pad(part, [[0, count - tf.size(part, tf.int64)]])
        return tf.ensure_shape(whole, [count if isinstance(count, int) else None])

    def number(values: tf.Tensor, little: tf.Tensor | bool) -> tf.Tensor:
        """Of the last axis' bytes."""
        weights = tf.constant(256, tf.int64) ** tf.range(values.shape[-1], dtype=tf.int64)
        return tf.reduce_sum(values * tf.where(little, weights, weights[::-1]), -1)

    def is_exif(place: tf.Tensor) -> tf.Tensor:
        begins = tf.gather(bytes_at(place, 10), [0, 1, 4, 5, 6, 7, 8, 9])
        return tf.reduce_all(begins == tf.constant([0xFF, 0xE1, *b"Exif\0\0"], tf.int64))

    def goes_on(place: tf.Tensor) -> tf.Tensor:
        first, marker = tf.unstack(bytes_at(place, 2))
        is_segment = (first == 0xFF) & (marker != 0xDA) & (marker != 0xD9)
        return is_segment & ~is_exif(place)

    def behind(place: tf.Tensor) -> tf.Tensor:
        return place + 2 + number(bytes_at(place + 2, 2), False)

    place = tf.while_loop(goes_on, lambda place: (behind(place),), (tf.constant(2, tf.int64),))[0]
    is_jpeg = tf.reduce_all(bytes_at(tf.constant(0, tf.int64), 2) == [0xFF, 0xD8])
    start = place + 10  # of the TIFF within, whose offsets count from here
    little = bytes_at(start, 1)[0] == ord("I")
    table = start + number(bytes_at(start + 4, 4), little)
    count = tf.where(is_jpeg & is_exif(place), number(bytes_at(table, 2), little), 0)
    entries = tf.reshape(bytes_at(table + 2, 12 * count), (-1, 12))
    tags, values = number(entries[:, :2], little), number(entries[:, 8:10], little)
    told = tf.boolean_mask(values, (tags == _ORIENTATION) & (values >= 1) & (values <= 8))
    return tf.concat([told, tf.constant([1], tf.int64)], 0)[0]


def upright(image: tf.Tensor, turned: tf.Tensor) -> tf.Tensor:
    """The image as it is to be seen.

    Args:
        image: [height, width, channels].
        turned: its `orientation`.
    """
    for cases, change in (
        ([5, 6, 7, 8], lambda image: tf.transpose(image, (1, 0, 2))),
        ([3, 4, 7, 8], lambda image: image[::-1]),
        ([2, 3, 6, 7], lambda image: image[:, ::-1]),
    ):
        needed = tf.reduce_any(turned == tf.constant(cases, tf.int64))
        image = tf.cond(
            needed, functools.partial(change, image), functools.partial(tf.identity, image)
        )
    return image
