"""What an evaluation computes: sums of a batch, and of all batches."""

from collections.abc import Mapping
from typing import Any

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


class Sums:
    """Adds up what `evaluated` gives, batch by batch; nothing waits for the device until `read`.

    Args:
        names: of the outputs.
    """

    def __init__(self, *names: str) -> None:
        self._waiting: dict[str, list[Any]] = {name: [] for name in names}

    def add(self, outputs: Mapping[str, Any]) -> None:
        """Keeps a batch's, of those names that it has."""
        for name, values in self._waiting.items():
            if name in outputs:
                values.append(outputs[name])

    def read(self) -> dict[str, float]:
        """The sums so far, of those names that there were."""
        return {name: sum(map(float, values)) for name, values in self._waiting.items() if values}
