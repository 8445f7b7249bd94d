"""What training minimises: the cross-entropy against smoothed targets."""

import tensorflow as tf

from lambda_fast.config import ModelerConfig


def targets_of(labels: tf.Tensor, classes: int, config: ModelerConfig) -> tf.Tensor:
    """The distribution that each image is to be given.

    Args:
        labels: int32 [batch], or the targets themselves, as mixed images have them.
        classes: how many there are.
        config: its `label_smoothing` is spread over all classes (Szegedy et al., 2015).

    Returns:
        float32 [batch, classes], each row of sum 1.
    """
    if labels.dtype.is_floating:
        return labels
    smoothing = config.label_smoothing
    targets = tf.one_hot(labels, classes)
    return targets * (1.0 - smoothing) + smoothing / classes if smoothing > 0 else targets


def labels_of(labels: tf.Tensor) -> tf.Tensor:
    """The label, int32 [batch], which counts as right: that with the greatest share in a target."""
    return tf.argmax(labels, -1, output_type=tf.int32) if labels.dtype.is_floating else labels


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The mean over the batch, a float32 scalar.

    Args:
        logits: float32 [batch, classes].
        targets: float32 [batch, classes].
    """
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
