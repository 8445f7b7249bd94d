"""The augment op for TensorFlow tensors, and the same for numpy arrays."""

import os
from typing import Any

import numpy as np

from lambda_fast import native
from lambda_fast.augmenter.spec import AugmentSpec


def augment(
    images: Any, sample_ids: Any, seed: Any, epoch: Any, spec: AugmentSpec, dtype: Any = "float32"
) -> Any:
    """Augments a batch; eager, in a graph, in `tf.data` and inside XLA programs alike.

    The result is a pure function of each image, its id, the seed, the epoch and the spec: batch
    size, order, threads and device do not enter.

    Args:
        images: uint8 [batch, height, width, channels], 1 or 3 channels.
        sample_ids: int64 [batch].
        seed: int64 scalar.
        epoch: int64 scalar, 0 <= epoch < 2**32 (not checked on a GPU).
        spec: what to do.
        dtype: float32 or bfloat16.

    Returns:
        A tensor of `dtype`, [batch, spec.height or height, spec.width or width, channels].

    Raises:
        TypeError: for numpy arrays of another dtype.
        ValueError: in a graph, for shapes, types or fields that do not fit.
        tf.errors.InvalidArgumentError: the same in eager mode.
    """
    # TensorFlow would cast numpy arrays in silence.
    if isinstance(images, np.ndarray) and images.dtype != np.uint8:
        raise TypeError(
            "[augment] expected images uint8[batch, height, width, channels]; found "
            f"{images.dtype}{list(images.shape)}"
        )
    if isinstance(sample_ids, np.ndarray) and not np.can_cast(sample_ids.dtype, np.int64):
        raise TypeError(f"[augment] expected sample_ids int64[batch]; found {sample_ids.dtype}")
    return native.ops().lambda_fast_augment(
        images=images, sample_ids=sample_ids, seed=seed, epoch=epoch, T=dtype, **spec.fields()
    )


def augment_numpy(
    images: np.ndarray,
    sample_ids: np.ndarray,
    seed: int,
    epoch: int,
    spec: AugmentSpec,
    dtype: str = "float32",
    threads: int | None = None,
) -> np.ndarray:
    """`augment` for numpy arrays, without TensorFlow.

    Args:
        images: uint8 [batch, height, width, channels], C-contiguous.
        sample_ids: int64 [batch], or integers that int64 holds.
        seed: any int64.
        epoch: 0 <= epoch < 2**32.
        spec: what to do.
        dtype: "float32" or "bfloat16" (then an array of `ml_dtypes.bfloat16`).
        threads: of the CPU; by default as many as this process may use. The bytes are the same.

    Returns:
        The augmented batch.

    Raises:
        ValueError: for shapes or fields that do not fit.
        TypeError: for arrays of another dtype or layout.
    """
    images, sample_ids = np.asarray(images), np.asarray(sample_ids)
    if images.dtype != np.uint8 or not images.flags.c_contiguous:
        layout = "C-contiguous" if images.flags.c_contiguous else "another layout"
        raise TypeError(
            "[augment] expected images uint8[batch, height, width, channels], C-contiguous; found "
            f"{images.dtype}{list(images.shape)}, {layout}. np.ascontiguousarray(images, np.uint8) "
            "makes a copy that fits"
        )
    if not np.can_cast(sample_ids.dtype, np.int64):
        raise TypeError(f"[augment] expected sample_ids int64[batch]; found {sample_ids.dtype}")
    if threads is None:
        threads = len(os.sched_getaffinity(0))
    result = native.core().augment(images, sample_ids, seed, epoch, spec.fields(), dtype, threads)
    if dtype == "bfloat16":
        import ml_dtypes

        return result.view(ml_dtypes.bfloat16)
    return result
