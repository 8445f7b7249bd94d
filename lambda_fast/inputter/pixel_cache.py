"""Pixel caches: what was decoded once is kept in memory, as uint8.

Where each epoch shows other windows the whole images are kept; where an image always becomes the
same pixels, those are.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lambda_fast.config import ConfigError
from lambda_fast.inputter.batches import Faults, HostBatches
from lambda_fast.inputter.encoded_files import Reading
from lambda_fast.inputter.handover import aligned_empty
from lambda_fast.inputter.pixels import DecodedPixels
from lambda_fast.machine import available_memory

SHARE = 0.6  # of the memory that is available when the run begins; the rest is for the run itself
_NEARLY = 0.02  # share of the images that may be missing when the rest is decoded at one go
_SAMPLED = 500  # images whose headers tell how large the whole set is


@dataclass(frozen=True)
class Started:
    """Files on their way, of the images that are not kept yet."""

    places: np.ndarray
    reading: Reading


class OutputCache(HostBatches):
    """Keeps the images as they are handed over: one array, [samples, *shape].

    Args:
        pixels: makes them.
        samples: in the data set.
        limit: most bytes that may be kept; 0: a share of what is available.

    Attributes:
        shape: of one image.
        size: bytes, when all are kept.
        images: uint8 [samples, height, width, 3], filled as epochs go.
        bad: ids of those that cannot be kept, and why.
    """

    def __init__(self, pixels: DecodedPixels, samples: int, limit: int) -> None:
        super().__init__()
        self._pixels = pixels
        self.shape, self.batch_size = pixels.shape, pixels.batch_size
        self.size = check_fits(samples * int(np.prod(self.shape)), limit, exact=True)
        self.images = aligned_empty((samples, *self.shape))
        self._known = np.zeros(samples, bool)  # kept or bad
        self._resting = threading.Lock()

    def start(self, ids: np.ndarray) -> Started:
        """As in `DecodedPixels`."""
        places = np.flatnonzero(~self._known[ids])
        return Started(places, self._pixels.start(ids[places]))

    def fill(self, output: np.ndarray, ids: np.ndarray, epoch: int, started: Started) -> Faults:
        """As in `DecodedPixels`."""
        self._keep(ids[started.places], epoch, started.reading)
        np.take(self.images, ids, axis=0, out=output, mode="clip")
        known = ((place, self.bad.get(index)) for place, index in enumerate(ids.tolist()))
        return {place: reason for place, reason in known if reason is not None}

    def _keep(self, ids: np.ndarray, epoch: int, reading: Reading) -> None:
        if not len(ids):
            return
        made = np.empty((len(ids), *self.shape), np.uint8)
        faults = self._pixels.fill(made, ids, epoch, reading)
        good = np.array([place for place in range(len(ids)) if place not in faults], np.int64)
        self.images[ids[good]] = made[good]
        self.bad.update({int(ids[place]): reason for place, reason in faults.items()})
        self._known[ids] = True  # last, for whoever looks meanwhile

    def is_complete(self) -> bool:
        """Whether all images are known and nothing has to be decoded any more."""
        return bool(self._known.all())

    def keep_the_rest(self) -> Faults:
        """Decodes what an epoch left out because it filled no batch.

        Returns:
            By id, what is wrong with the bad ones among them.
        """
        unknown = np.flatnonzero(~self._known)
        if 0 < len(unknown) <= _NEARLY * len(self._known) and self._resting.acquire(blocking=False):
            try:
                for first in range(0, len(unknown), self._pixels.batch_size):
                    ids = unknown[first : first + self._pixels.batch_size]
                    self._keep(ids, 0, self._pixels.start(ids))
            finally:
                self._resting.release()
            return {index: self.bad[index] for index in unknown.tolist() if index in self.bad}
        return {}

    def close(self) -> None:
        """Stops reading."""
        self._pixels.close()


class ImageCache(HostBatches):
    """Keeps the whole images, of any size, and cuts each epoch's windows from them.

    Args:
        pixels: decodes them.
        paths: of the images, by id.
        limit: most bytes that may be kept; 0: a share of what is available.
    """

    def __init__(self, pixels: DecodedPixels, paths: Sequence[str], limit: int) -> None:
        super().__init__()
        self._pixels = pixels
        self.shape, self.batch_size = pixels.shape, pixels.batch_size
        self.size = check_fits(estimated_bytes(paths), limit, exact=False)
        self._limit = limit or int(SHARE * available_memory())
        self._images: dict[int, np.ndarray] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def start(self, ids: np.ndarray) -> Started:
        """As in `DecodedPixels`."""
        missing = [
            place
            for place, index in enumerate(ids.tolist())
            if index not in self._images and index not in self.bad
        ]
        places = np.array(missing, np.int64)
        return Started(places, self._pixels.start(ids[places]))

    def fill(self, output: np.ndarray, ids: np.ndarray, epoch: int, started: Started) -> Faults:
        """As in `DecodedPixels`."""
        self._keep(ids[started.places], started.reading)
        known = ((place, self.bad.get(index)) for place, index in enumerate(ids.tolist()))
        faults = {place: reason for place, reason in known if reason is not None}
        places = [place for place in range(len(ids)) if place not in faults]
        images = [self._images[index] for index in ids[places].tolist()]
        sizes = np.array([image.shape[:2] for image in images], np.int32).reshape(-1, 2)
        windows = self._pixels.geometry.windows(sizes, ids[places], epoch)
        self._pixels.show(output, places, images, windows)
        return faults

    def _keep(self, ids: np.ndarray, reading: Reading) -> None:
        if not len(ids):
            return
        images, faults = self._pixels.decode(reading.result())
        for place, image in images.items():
            copy = np.array(image)  # DALI's own memory would keep the whole batch
            with self._lock:
                index = int(ids[place])
                self._bytes += 0 if index in self._images else copy.nbytes
                self._images[index] = copy
        self.bad.update({int(ids[place]): reason for place, reason in faults.items()})
        if self._bytes > self._limit:
            _refuse(self._bytes, self._limit, "so far")

    def close(self) -> None:
        """Stops reading."""
        self._pixels.close()


def check_fits(size: int, limit: int, *, exact: bool) -> int:
    """Returns the size.

    Raises:
        ConfigError: it is more than the limit, or than the share of the available memory.
    """
    most = limit or int(SHARE * available_memory())
    if size > most:
        _refuse(size, most, "" if exact else "about")
    return size


def estimated_bytes(paths: Sequence[str]) -> int:
    """Of all images decoded, from the headers of a few hundred; unreadable ones count nothing."""
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), _SAMPLED)).astype(int).tolist()
    total = 0
    for index in chosen:
        try:
            with Image.open(paths[index]) as image:
                total += image.width * image.height * 3
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    return total * len(paths) // len(chosen)


def _refuse(size: int, most: int, how: str) -> None:
    raise ConfigError(
        f"[inputter.cache] expected decoded images of at most {gigabytes(most)}, found {how} "
        f"{gigabytes(size)}. Train without: --set inputter.cache=none; or, where there is more "
        "memory, allow it: --set inputter.cache_gib=N"
    )


def gigabytes(size: int) -> str:
    """A size for people, "0.15 GiB"."""
    return f"{size / 2**30:.2f} GiB"
