"""Mean and variance by channel over the images of all ranks: one collective each way."""

import tensorflow as tf

from lambda_fast.runner.collective import all_reduce


def moments(x: tf.Tensor, shift: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What `tf.nn.moments` would give for the batches of all ranks together.

    Each rank takes its own mean and variance; their variance about the common mean is added (Chan,
    Golub and LeVeque, 1983, doi:10.1080/00031305.1983.10483115). Gradients flow back to all ranks
    by one more collective.

    Args:
        x: float32 [..., channels], of the same shape on all ranks.
        shift: float32 [channels], near the mean and the same on all ranks: what is squared is the
            distance from it, so that a large mean takes no digits from a small variance.

    Returns:
        mean, variance: float32 [channels], the same bits on all ranks.
    """
    own, variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
    distance = own - shift
    mean, square, within = all_reduce([distance, tf.square(distance), variance])
    between = tf.maximum(square - tf.square(mean), 0.0)
    return shift + mean, within + between
