"""The inputter of image files: CSVs or class folders, decoded by DALI, exact to the sample.

    begin(epoch, step)   ids of the step; their files begin to be read        (the caller's thread)
    finish(…)            decode, window, resize; bad images replaced          (background threads)
    batch(epoch, step)   waits for it and hands its memory to TensorFlow      (the caller's thread)

What a batch holds depends on (seed, epoch, step) and on the files, and on nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config
from lambda_fast.data.fetch import DataError
from lambda_fast.data.image_list import ImageList
from lambda_fast.inputter import Batch, Mode
from lambda_fast.inputter.geometry import geometry
from lambda_fast.inputter.handover import aligned_empty, to_tensor
from lambda_fast.inputter.image_lists import image_list
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import GoodOrder, Order
from lambda_fast.inputter.pixel_cache import ImageCache, OutputCache, gigabytes
from lambda_fast.inputter.pixels import DecodedPixels
from lambda_fast.inputter.prefetch import Key, Prefetch
from lambda_fast.inputter.quarantine import FILE, Quarantine

WORKERS = 2  # batches at work at once: one resizes while the other decodes


@dataclass(frozen=True)
class Begun:
    """A step whose files are being read."""

    ids: np.ndarray
    count: int
    reading: Any


@dataclass(frozen=True)
class HostBatch:
    """A step's images in host memory."""

    images: np.ndarray
    ids: np.ndarray
    count: int


class ImageClassificationCsvInputter:
    """Batches of image files.

    Args:
        images: which there are.
        order: which come when.
        pixels: decodes, or keeps what was decoded.
        quarantine: what to do with bad ones.
        left: of the recipe's augmenter, for the step.
        prefetch: batches prepared ahead.
    """

    def __init__(
        self,
        images: ImageList,
        order: Order,
        pixels: DecodedPixels | OutputCache | ImageCache,
        quarantine: Quarantine,
        left: AugmentSpec,
        prefetch: int,
    ) -> None:
        self.samples = order.samples
        self.steps_per_epoch = order.steps_per_epoch
        self.batch_size = order.batch_size
        self.image_shape = pixels.shape
        self.class_names = images.class_names
        self.spec = left
        self.facts = {"inputter.images": images.digest()}
        self._labels = images.labels
        self._order = order
        self._pixels = pixels
        self._quarantine = quarantine
        self._prefetch = Prefetch(self._begin, self._finish, self._following, prefetch, WORKERS)
        self._memory: InMemoryInputter | None = None  # once everything is kept

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of step `step` within epoch `epoch`.

        Raises:
            BadImageError: an image cannot be used, and the recipe wants to know.
            DataError: no image can be used.
        """
        if self._memory is None and self._pixels.is_complete():
            self._go_on_from_memory()
        if self._memory is not None:
            return self._memory.batch(epoch, step)
        made = self._prefetch.get((epoch, step))
        return Batch(
            to_tensor(made.images),
            tf.constant(self._labels[made.ids], tf.int32),
            tf.constant(made.ids),
            tf.constant(epoch, tf.int64),
            made.count,
        )

    def close(self) -> None:
        """Ends the background threads."""
        self._prefetch.close()
        self._pixels.close()

    def _go_on_from_memory(self) -> None:
        """From now on batches are gathered on the device."""
        self.close()
        order = GoodOrder(self._order, frozenset(self._pixels.bad))
        self._memory = InMemoryInputter(self._pixels.images, self._labels, self.class_names, order)

    def _begin(self, key: Key) -> Begun:
        ids, count = self._order.ids(*key)
        return Begun(ids, count, self._pixels.start(ids[:count]))

    def _following(self, key: Key) -> Key | None:
        epoch, step = key
        if step + 1 < self.steps_per_epoch:
            return epoch, step + 1
        return (epoch + 1, 0) if self._order.shuffle else None

    def _finish(self, key: Key, begun: Begun) -> HostBatch:
        """Fills the batch; a bad image's place goes to the next good one of the epoch's order.

        Where every image counts once, in evaluation, the place is given up instead.
        """
        epoch, step = key
        ids = begun.ids.copy()
        output = aligned_empty((self.batch_size, *self.image_shape))
        places, reading = np.arange(begun.count), begun.reading
        positions = self._order.first_position(step) + np.arange(len(ids))
        lost: set[int] = set()
        while len(places):
            bad = self._fill(output, places, ids, epoch, reading)
            if self._order.complete:
                lost.update(bad.tolist())
                break
            positions[bad] += 1
            if (positions[bad] - self._order.first_position(step) >= self.samples + len(ids)).any():
                raise DataError(
                    f"[inputter] expected an image that can be used, found none among "
                    f"{self.samples}. {FILE} in the run's folder tells what is wrong with each"
                )
            ids[bad] = [self._order.id_at(epoch, position) for position in positions[bad].tolist()]
            places, reading = bad, self._pixels.start(ids[bad])
        good = [place for place in range(begun.count) if place not in lost]
        if lost:
            output[: len(good)], ids[: len(good)] = output[good], ids[good]
        output[len(good) :], ids[len(good) :] = 0, 0
        for sample_id, reason in self._pixels.keep_the_rest().items():
            self._quarantine.report(sample_id, reason)
        return HostBatch(output, ids, len(good))

    def _fill(
        self, output: np.ndarray, places: np.ndarray, ids: np.ndarray, epoch: int, reading: Any
    ) -> np.ndarray:
        """Fills some places and returns those whose images are bad, in order."""
        whole = len(places) == len(output)
        target = output if whole else np.empty((len(places), *self.image_shape), np.uint8)
        faults = self._pixels.fill(target, ids[places], epoch, reading)
        if not whole:
            output[places] = target
        for at in sorted(faults):
            self._quarantine.report(int(ids[places[at]]), faults[at])
        return places[sorted(faults)]


def build(
    config: Config, mode: Mode, rank: int = 0, ranks: int = 1
) -> ImageClassificationCsvInputter:
    """The inputter of a recipe's image files.

    Raises:
        ConfigError: a size is missing, there are fewer images than a batch, or the cache does not
            fit.
        DataError: no images, or a list that cannot be read.
    """
    inputter = config.inputter
    images = image_list(config, mode)
    shown = geometry(config, mode)
    order = Order(
        samples=len(images),
        batch_size=config.batch_size_per_gpu,
        seed=config.seed,
        shuffle=mode == "train",
        complete=mode != "train",
        rank=rank,
        ranks=ranks,
    )
    threads = inputter.threads or len(os.sched_getaffinity(0))
    pixels: DecodedPixels | OutputCache | ImageCache = DecodedPixels(
        images.paths, shown, order.batch_size, threads, inputter.max_pixels
    )
    if inputter.cache == "memory":
        limit = int(inputter.cache_gib * 2**30)
        if shown.random:
            pixels = ImageCache(pixels, images.paths, limit)
        else:
            pixels = OutputCache(pixels, len(images), limit)
    if rank == 0 and mode == "train":
        if images.note:
            print(images.note)
        if inputter.cache == "memory":
            print(f"inputter: keeps {gigabytes(pixels.size)} of decoded images in memory")
    file = config.model_path() / FILE
    quarantine = Quarantine(images, inputter.on_bad_image, file)
    return ImageClassificationCsvInputter(
        images, order, pixels, quarantine, shown.left, inputter.prefetch
    )
