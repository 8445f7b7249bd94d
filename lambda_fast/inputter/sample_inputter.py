"""The inputter of images given by name, which nobody has labelled: for infer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lambda_fast.config import Config
from lambda_fast.inputter import Batch
from lambda_fast.inputter.handover import to_tensor
from lambda_fast.inputter.image_files import load_images
from lambda_fast.inputter.order import Order


class SampleInputter:
    """Decodes a batch when it is asked for.

    Args:
        paths: of the images.
        first: those of the first batch, uint8 [images, height, width, 3], already decoded.
        class_names: by label.
        config: the run.

    Attributes:
        paths: of the images, by id.
    """

    def __init__(
        self, paths: Sequence[str], first: np.ndarray, class_names: tuple[str, ...], config: Config
    ) -> None:
        self.paths = paths
        self.class_names = class_names
        self.samples = len(paths)
        self.batch_size = len(first)
        self.image_shape = first.shape[1:]
        self.spec = None
        self.facts: dict[str, Any] = {}
        self._first, self._config = first, config
        self._order = Order(
            samples=len(paths),
            batch_size=len(first),
            seed=config.seed,
            shuffle=False,
            complete=True,
        )
        self.steps_per_epoch = self._order.steps_per_epoch

    def batch(self, epoch: int, step: int) -> Batch:
        """The images of a step; behind the last one come zeros.

        Raises:
            DataError: a file cannot be read or is no image.
        """
        ids, count = self._order.ids(epoch, step)
        images = self._first
        if step:
            paths = [self.paths[index] for index in ids[:count]]
            images = np.zeros((self.batch_size, *self.image_shape), np.uint8)
            images[:count] = load_images(paths, self._config)
        labels = tf.zeros(self.batch_size, tf.int32)
        return Batch(
            to_tensor(images), labels, tf.constant(ids), tf.constant(epoch, tf.int64), count
        )

    def close(self) -> None:
        """Nothing works in the background."""
