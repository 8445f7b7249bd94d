"""Philox-4x32-10 for vectors of sample ids, in TensorFlow: the dice of `core/base/philox.h`."""

import tensorflow as tf

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = 0xFFFFFFFF


def dice(sample_ids: tf.Tensor, epoch: tf.Tensor, seed: int, stream: int) -> list[tf.Tensor]:
    """Four uniform numbers in [0, 1) for each sample, multiples of 2^-24.

    Args:
        sample_ids: int64 [batch].
        epoch: int64 scalar, below 2^32.
        seed: any int64.
        stream: below 2^32: what the numbers are for.

    Returns:
        Four float32 [batch]: a pure function of (seed, epoch, id, stream) on every device.
    """
    ids = tf.bitcast(sample_ids, tf.uint64)
    epochs = tf.fill(tf.shape(ids), tf.bitcast(epoch, tf.uint64))
    low, high = tf.constant(_LOW, tf.uint64), tf.constant(32, tf.uint64)
    words = [
        tf.bitwise.bitwise_and(ids, low),
        tf.bitwise.right_shift(ids, high),
        epochs,
        tf.fill(tf.shape(ids), tf.constant(stream, tf.uint64)),
    ]
    keys = (seed & _LOW, seed >> 32 & _LOW)
    for _ in range(_ROUNDS):
        products = [
            tf.constant(multiplier, tf.uint64) * word
            for multiplier, word in zip(_MULTIPLIERS, words[::2], strict=True)
        ]
        highs = [tf.bitwise.right_shift(product, high) for product in products]
        lows = [tf.bitwise.bitwise_and(product, low) for product in products]
        mixed = [
            tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(a, b), tf.constant(key, tf.uint64))
            for a, b, key in zip(highs[::-1], words[1::2], keys, strict=True)
        ]
        words = [mixed[0], lows[1], mixed[1], lows[0]]
        keys = tuple((key + weyl) & _LOW for key, weyl in zip(keys, _WEYL, strict=True))
    top = [tf.bitwise.right_shift(word, tf.constant(8, tf.uint64)) for word in words]
    return [tf.cast(word, tf.float32) * 2.0**-24 for word in top]
