"""The in-memory inputter: the whole set as uint8 on the device, batches gathered from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from lambda_fast import assembly
from lambda_fast.build import find
from lambda_fast.config import Config
from lambda_fast.inputter import Batch, Mode
from lambda_fast.inputter.expected import check_expected
from lambda_fast.inputter.handover import resident
from lambda_fast.inputter.order import GoodOrder, Order


class InMemoryInputter:
    """Holds the pixels where the step runs; what is handed over each step are the ids.

    The gather that makes a batch is the only copy of it.

    Args:
        images: uint8 [samples, height, width, channels].
        labels: int32 [samples], or none in infer mode.
        class_names: by label.
        order: which samples come when.
        facts: what a checkpoint's data set must have in common with this one.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        class_names: tuple[str, ...],
        order: Order | GoodOrder,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or len(images) != order.samples:
            raise ValueError(
                f"[in_memory_inputter] expected images uint8[{order.samples}, height, width, "
                f"channels]; found {images.dtype}{list(images.shape)}"
            )
        if labels is None:
            labels = np.zeros(len(images), np.int32)
        if labels.shape != (len(images),) or labels.min() < 0 or labels.max() >= len(class_names):
            raise ValueError(
                f"[in_memory_inputter] expected one label in [0, {len(class_names)}) for each of "
                f"{len(images)} images; found shape {list(labels.shape)}, values "
                f"{labels.min()}..{labels.max()}"
            )
        self.order = order
        self.samples = order.samples
        self.steps_per_epoch = order.steps_per_epoch
        self.batch_size = order.batch_size
        self.image_shape = tuple(images.shape[1:])
        self.class_names = class_names
        self.paths = None
        self.spec = None
        self.facts = dict(facts or {})
        self._images = resident(images)
        self._labels = tf.constant(labels, tf.int32)
        self._epoch = (-1, None)  # the last epoch's number as a tensor

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of step `step` within epoch `epoch`, gathered on the device."""
        begin = time.perf_counter()
        ids, count = self.order.ids(epoch, step)
        images, labels, sample_ids = _gather(self._images, self._labels, ids)
        seconds = time.perf_counter() - begin
        return Batch(images, labels, sample_ids, self._epoch_tensor(epoch), count, seconds)

    def close(self) -> None:
        """Nothing works in the background."""

    def _epoch_tensor(self, epoch: int) -> tf.Tensor:
        if self._epoch[0] != epoch:
            self._epoch = (epoch, tf.constant(epoch, tf.int64))
        return self._epoch[1]


@tf.function(reduce_retracing=True)
def _gather(images: tf.Tensor, labels: tf.Tensor, ids: tf.Tensor) -> tuple[Any, Any, Any]:
    return tf.gather(images, ids), tf.gather(labels, ids), tf.identity(ids)


@assembly.part
def build(config: Config, mode: Mode, rank: int = 0, ranks: int = 1) -> InMemoryInputter:
    """Loads the recipe's data set into memory.

    Raises:
        ConfigError: an unknown data set, one of other classes than the config says, or fewer
            images than one global batch.
        DataError: the data cannot be had, or are not what they should be.
    """
    load = find("data", config.inputter.dataset, "load")
    data = load("train" if mode == "train" else "eval", config.inputter.data_dir)
    check_expected(config, data.class_names, data.images.shape[-1])
    order = Order(
        samples=len(data.images),
        batch_size=config.batch_size(mode),
        seed=config.seed,
        shuffle=mode == "train",
        complete=mode != "train",
        rank=rank,
        ranks=ranks,
    )
    labels = None if mode == "infer" else data.labels
    facts = {"inputter.dataset": config.inputter.dataset}
    return InMemoryInputter(data.images, labels, data.class_names, order, facts)
