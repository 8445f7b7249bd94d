"""The inputter of image files: CSVs or class folders, decoded by DALI, exact to the sample.

    begin(epoch, step)   ids of the step; their files begin to be read        (the caller's thread)
    finish(…)            decode, window, resize; bad images replaced          (background threads)
    batch(epoch, step)   waits for it and hands its memory to TensorFlow      (the caller's thread)

What a batch holds depends on (seed, epoch, step) and on the files, and on nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from lambda_fast import assembly
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config
from lambda_fast.data.image_list import ImageList
from lambda_fast.inputter import Batch, Mode
from lambda_fast.inputter.batches import Batches, Faults
from lambda_fast.inputter.device_pixels import DevicePixels, gpu
from lambda_fast.inputter.expected import check_expected
from lambda_fast.inputter.geometry import Geometry, geometry
from lambda_fast.inputter.handover import to_tensor
from lambda_fast.inputter.image_lists import image_list
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import GoodOrder, Order
from lambda_fast.inputter.pixel_cache import ImageCache, OutputCache, gigabytes
from lambda_fast.inputter.pixels import DecodedPixels
from lambda_fast.inputter.prefetch import Key, Prefetch
from lambda_fast.inputter.quarantine import FILE, Quarantine, none_left

WORKERS = 2  # batches at work at once: one resizes while the other decodes


@dataclass(frozen=True)
class Begun:
    """A step whose files are being read."""

    ids: np.ndarray
    count: int
    reading: Any


@dataclass(frozen=True)
class Made:
    """A step's images, ready to be handed over."""

    images: Any
    ids: np.ndarray
    count: int


class ImageClassificationCsvInputter:
    """Batches of image files.

    Args:
        images: which there are.
        order: which come when.
        batches: decodes, or keeps what was decoded.
        quarantine: what to do with bad ones.
        left: of the recipe's augmenter, for the step.
        prefetch: batches prepared ahead.
    """

    def __init__(
        self,
        images: ImageList,
        order: Order,
        batches: Batches,
        quarantine: Quarantine,
        left: AugmentSpec,
        prefetch: int,
    ) -> None:
        self.samples = order.samples
        self.steps_per_epoch = order.steps_per_epoch
        self.batch_size = order.batch_size
        self.image_shape = batches.shape
        self.class_names = images.class_names
        self.paths = images.paths
        self.spec = left
        self.facts = {"inputter.images": images.digest()}
        self._labels = images.labels
        self._order = order
        self._batches = batches
        self._quarantine = quarantine
        self._prefetch = Prefetch(self._begin, self._finish, self._following, prefetch, WORKERS)
        self._memory: InMemoryInputter | None = None  # once everything is kept

    def batch(self, epoch: int, step: int) -> Batch:
        """The batch of step `step` within epoch `epoch`.

        Raises:
            BadImageError: an image cannot be used, and the recipe wants to know.
            DataError: no image can be used.
        """
        if self._memory is None and self._batches.is_complete():
            self._go_on_from_memory()
        if self._memory is not None:
            return self._memory.batch(epoch, step)
        made = self._prefetch.get((epoch, step))
        begin = time.perf_counter()
        tensors = (
            to_tensor(made.images),
            tf.constant(self._labels[made.ids], tf.int32),
            tf.constant(made.ids),
            tf.constant(epoch, tf.int64),
        )
        return Batch(*tensors, made.count, time.perf_counter() - begin)

    def close(self) -> None:
        """Ends the background threads."""
        self._prefetch.close()
        self._batches.close()

    def _go_on_from_memory(self) -> None:
        """From now on batches are gathered on the device."""
        self.close()
        order = GoodOrder(self._order, frozenset(self._batches.bad))
        self._memory = InMemoryInputter(self._batches.images, self._labels, self.class_names, order)

    def _begin(self, key: Key) -> Begun:
        ids, count = self._order.ids(*key)
        return Begun(ids, count, self._batches.start(ids[:count]))

    def _following(self, key: Key) -> Key | None:
        epoch, step = key
        if step + 1 < self.steps_per_epoch:
            return epoch, step + 1
        return (epoch + 1, 0) if self._order.shuffle else None

    def _finish(self, key: Key, begun: Begun) -> Made:
        """Makes the batch; a bad image's place goes to the next good one of the epoch's order.

        Where every image counts once, in evaluation, the place is given up instead.
        """
        epoch, step = key
        ids, good = begun.ids.copy(), set(range(begun.count))
        first = self._order.first_position(step)
        positions = first + np.arange(len(ids))
        batch = self._batches.new_batch()

        def without(places: list[int]) -> np.ndarray:
            """Puts others in these places; returns those to be filled."""
            for place in places:
                if self._order.complete:
                    good.discard(place)
                    continue
                positions[place] += 1
                if positions[place] - first >= self.samples + len(ids):
                    raise none_left("inputter", self.samples)
                ids[place] = self._order.id_at(epoch, int(positions[place]))
            return np.array([place for place in places if place in good], np.int64)

        places, reading, images = np.arange(begun.count), begun.reading, None
        while images is None:
            while len(places):
                faults = self._batches.fill_places(batch, places, ids[places], epoch, reading)
                found = {int(places[at]): reason for at, reason in faults.items()}
                places = without(self._reported(found, ids))
                reading = self._batches.start(ids[places])
            images, found = self._batches.finish(batch, sorted(good))
            if found:
                places, images = without(self._reported(found, ids)), None
                reading = self._batches.start(ids[places])
        for sample_id, reason in self._batches.keep_the_rest().items():
            self._quarantine.report(sample_id, reason)
        kept = ids[sorted(good)]
        return Made(
            images, np.concatenate([kept, np.zeros(len(ids) - len(kept), np.int64)]), len(kept)
        )

    def _reported(self, faults: Faults, ids: np.ndarray) -> list[int]:
        """Tells of the images that are bad. Returns their places, in order."""
        for place in sorted(faults):
            self._quarantine.report(int(ids[place]), faults[place])
        return sorted(faults)


@assembly.part
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
    check_expected(config, images.class_names, 3)
    order = Order(
        samples=len(images),
        batch_size=config.batch_size(mode),
        seed=config.seed,
        shuffle=mode == "train",
        complete=mode != "train",
        rank=rank,
        ranks=ranks,
    )
    batches = batches_of(config, images.paths, geometry(config, mode), order.batch_size)
    if rank == 0 and mode == "train":
        if images.note:
            print(images.note)
        if inputter.cache == "memory":
            print(f"inputter: keeps {gigabytes(batches.size)} of decoded images in memory")
    quarantine = Quarantine(images, inputter.on_bad_image, config.model_path() / FILE)
    return ImageClassificationCsvInputter(
        images, order, batches, quarantine, geometry(config, mode).left, inputter.prefetch
    )


def batches_of(config: Config, paths: Sequence[str], shown: Geometry, batch_size: int) -> Batches:
    """What makes the batches: a cache, DALI on the GPU where there is one, or the CPU."""
    inputter = config.inputter
    threads = inputter.threads or len(os.sched_getaffinity(0))
    device = gpu() if inputter.cache == "none" else None
    if device is not None:
        return DevicePixels(paths, shown, batch_size, threads, inputter.max_pixels, device)
    pixels = DecodedPixels(paths, shown, batch_size, threads, inputter.max_pixels)
    limit = int(inputter.cache_gib * 2**30)
    if inputter.cache == "none":
        return pixels
    if shown.random:
        return ImageCache(pixels, paths, limit)
    return OutputCache(pixels, len(paths), limit)
