"""What an evaluation computes of a batch."""

import tensorflow as tf

TOP = 5


def evaluated(logits: tf.Tensor, labels: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
    """Sums over the images that count, and the classes of all.

    Args:
        logits: float32 [batch, classes].
        labels: int32 [batch].
        mask: float32 [batch], 1 for images that count.

    Returns:
        `loss`, `accuracy` and, with more than five classes, `top_5_accuracy`, how many labels are
        among the five likeliest classes: float32 scalars; `classes` int32 [batch].
    """
    classes = tf.argmax(logits, axis=-1, output_type=tf.int32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    right = tf.cast(tf.equal(classes, labels), tf.float32)
    sums = {"loss": tf.reduce_sum(losses * mask), "accuracy": tf.reduce_sum(right * mask)}
    if logits.shape[-1] > TOP:
        own = tf.gather(logits, labels, axis=1, batch_dims=1)[:, None]
        likelier = tf.reduce_sum(tf.cast(logits > own, tf.int32), axis=-1)
        # Against a logit that is no number, nothing is greater.
        among = tf.logical_and(likelier < TOP, tf.math.is_finite(own[:, 0]))
        sums["top_5_accuracy"] = tf.reduce_sum(tf.cast(among, tf.float32) * mask)
    return sums | {"classes": classes}
