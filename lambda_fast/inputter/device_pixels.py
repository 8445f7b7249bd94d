"""Device pixels: DALI decodes and resizes where the step runs, so that no pixel visits the host.

The windows are the same as on the CPU, and so are bad images found. The pixels differ a little: a
GPU's JPEG decoder and DALI's resize round in other places than our own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lambda_fast.inputter.batches import Faults
from lambda_fast.inputter.device_decoder import DeviceDecoder
from lambda_fast.inputter.encoded_files import BadImage, Reading
from lambda_fast.inputter.geometry import Geometry
from lambda_fast.inputter.lent import Lent
from lambda_fast.inputter.pixels import DecodedPixels


@dataclass
class EncodedBatch:
    """What DALI is given: by place, an encoded file and the window that is shown of it."""

    files: list[np.ndarray | None]
    windows: np.ndarray


class DevicePixels:
    """Batches that DALI makes on a device. Filling only looks at headers; finishing decodes.

    Args:
        paths: of the images, by id.
        geometry: which windows, at what size.
        batch_size: images a batch.
        threads: of DALI on the host.
        max_pixels: images with more are bad.
        device: the GPU's number; none: the CPU, where this is slower than `DecodedPixels`.
    """

    def __init__(
        self,
        paths: Sequence[str],
        geometry: Geometry,
        batch_size: int,
        threads: int,
        max_pixels: int,
        device: int | None,
    ) -> None:
        self._host = DecodedPixels(paths, geometry, batch_size, threads, max_pixels)
        self._geometry = geometry
        self._threads = threads
        self._device = device
        self._lent = Lent(tf.test.experimental.sync_devices)
        self.shape = self._host.shape
        self.batch_size = batch_size
        self.bad: dict[int, str] = {}

    def start(self, ids: np.ndarray) -> Reading:
        """As in `Batches`."""
        return self._host.start(ids)

    def new_batch(self) -> EncodedBatch:
        """As in `Batches`."""
        return EncodedBatch([None] * self.batch_size, np.zeros((self.batch_size, 4), np.int32))

    def fill_places(
        self,
        batch: EncodedBatch,
        places: np.ndarray,
        ids: np.ndarray,
        epoch: int,
        reading: Reading,
    ) -> Faults:
        """As in `Batches`."""
        files = reading.result()
        sizes, faults = self._host.sizes(files)
        for at, size in list(sizes.items()):
            if self._geometry.keeps_size and size != self.shape[:2]:
                faults[at] = self._host.other_size(size)
                del sizes[at]
        table = np.array(list(sizes.values()), np.int32).reshape(-1, 2)
        windows = self._geometry.windows(table, ids[list(sizes)], epoch)
        for at, window in zip(sizes, windows, strict=True):
            batch.files[int(places[at])] = files[at].content
            batch.windows[int(places[at])] = window
        return faults

    def finish(self, batch: EncodedBatch, good: Sequence[int]) -> tuple[tf.Tensor | None, Faults]:
        """As in `Batches`. Where DALI fails, the CPU's decoder tells which image it was."""
        if not good:
            return tf.zeros((self.batch_size, *self.shape), tf.uint8), {}
        files, windows = [batch.files[place] for place in good], batch.windows[list(good)]
        try:
            images = self._decoded(files, windows)
        except RuntimeError:
            decoded = self._host.decoder().decode(files, windows)
            pairs = zip(good, decoded, strict=True)
            faults = {place: image.reason for place, image in pairs if isinstance(image, BadImage)}
            if not faults:  # the device's own trouble
                raise
            return None, faults
        missing = self.batch_size - len(good)
        return (tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]]) if missing else images), {}

    def _decoded(self, files: Sequence[np.ndarray], windows: np.ndarray) -> tf.Tensor:
        decoder = getattr(self._host.local, "device_decoder", None)
        if decoder is None:
            decoder = DeviceDecoder(
                None if self._geometry.keeps_size else self.shape[:2],
                self._geometry.antialias,
                self.batch_size,
                self._threads,
                self._device,
            )
            self._host.local.device_decoder = decoder
        images = decoder.decode(files, windows)
        tensor = tf.experimental.dlpack.from_dlpack(images.__dlpack__())
        if self._device is not None:
            self._lent.keep(tensor, images)
        return tensor

    def is_complete(self) -> bool:
        """Nothing is kept."""
        return False

    def keep_the_rest(self) -> Faults:
        """Nothing is kept."""
        return {}

    def close(self) -> None:
        """Stops reading."""
        self._host.close()


def gpu() -> int | None:
    """The number of the GPU on which TensorFlow runs; none: it runs on the CPU.

    TensorFlow is asked to take memory as it needs it, so that DALI finds some.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return None
    with contextlib.suppress(RuntimeError):  # once TensorFlow has begun it is decided
        tf.config.experimental.set_memory_growth(gpus[0], True)
    return int(gpus[0].name.rsplit(":", 1)[-1])
