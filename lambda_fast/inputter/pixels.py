"""Pixels: encoded files as the uint8 images of a batch, decoded anew each time or kept.

Each class fills an output with the images of some ids and says which of them are bad.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from lambda_fast import native
from lambda_fast.data.fetch import DataError
from lambda_fast.inputter.batches import Faults, HostBatches
from lambda_fast.inputter.dali_decoder import MAX_PIXELS, Decoder
from lambda_fast.inputter.encoded_files import (
    BadImage,
    Encoded,
    FileReader,
    JpegCutter,
    Reading,
    read,
)
from lambda_fast.inputter.geometry import Geometry


class DecodedPixels(HostBatches):
    """Reads and decodes the windows that are shown, and resizes them.

    Args:
        paths: of the images, by id.
        geometry: which windows, at what size.
        batch_size: most images at once.
        threads: of decoding and of resizing.
        max_pixels: images with more are bad.

    Attributes:
        geometry: which windows, at what size.
        shape: of one output image: (height, width, 3).
        batch_size: most images at once.
    """

    def __init__(
        self,
        paths: Sequence[str],
        geometry: Geometry,
        batch_size: int,
        threads: int,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__()
        self._paths = paths
        self.geometry = geometry
        self.batch_size = batch_size
        self._threads = threads
        self._max_pixels = max_pixels
        self._files = FileReader()
        self._cutter = JpegCutter(len(paths), threads)
        self.local = threading.local()  # DALI's pipelines, of which each thread has its own
        self.shape = (geometry.height, geometry.width, 3)
        if geometry.keeps_size:
            self.shape = self._first_shape()

    def start(self, ids: np.ndarray) -> Reading:
        """Begins to read the files of these ids (int64 [images])."""
        return self._files.start([self._paths[index] for index in ids.tolist()])

    def fill(self, output: np.ndarray, ids: np.ndarray, epoch: int, reading: Reading) -> Faults:
        """As in `HostBatches`; `reading` is what `start` gave for the same ids."""

        def windows_of(sizes: np.ndarray, places: list[int]) -> np.ndarray:
            return self.geometry.windows(sizes, ids[places], epoch)

        images, faults = self.decode(reading.result(), windows_of, ids)
        if self.geometry.keeps_size:
            for place, image in images.items():
                if image.shape != self.shape:
                    faults[place] = self.other_size(image.shape[:2])
        places = sorted(images.keys() - faults.keys())
        chosen = [images[place] for place in places]
        whole = np.array([(0, 0, *image.shape[:2]) for image in chosen], np.int32)
        self.show(output, places, chosen, whole)
        return faults

    def show(
        self,
        output: np.ndarray,
        places: Sequence[int],
        images: Sequence[np.ndarray],
        windows: np.ndarray,
    ) -> None:
        """Writes windows (int32 [n, 4]) of images to their places of the output."""
        if not places:
            return
        if self.geometry.keeps_size:
            for place, image in zip(places, images, strict=True):
                output[place] = image
            return
        full = len(places) == len(output)
        resized = output if full else np.empty((len(places), *self.shape), np.uint8)
        native.core().resize(resized, images, windows, self.geometry.antialias, self._threads)
        if not full:
            output[list(places)] = resized

    def decode(
        self,
        files: Sequence[Encoded],
        windows_of: Callable[[np.ndarray, list[int]], np.ndarray] | None = None,
        ids: np.ndarray | None = None,
    ) -> tuple[dict[int, np.ndarray], Faults]:
        """Decodes a window of each file.

        Args:
            files: as `Reading.result` gives them.
            windows_of: gives the windows int32 [n, 4] for whole sizes int32 [n, 2] and their
                places; none: everything is shown.
            ids: int64 [files], with `windows_of`.

        Returns:
            By place: the images that are good, uint8 [height, width, 3], and what is wrong with
            the others.
        """
        sizes, faults = self.sizes(files)
        places = list(sizes)
        table = np.array(list(sizes.values()), np.int32).reshape(-1, 2)
        contents = [files[place].content for place in places]
        if windows_of is None or ids is None:
            windows = np.concatenate([np.zeros_like(table), table], axis=1)
        else:
            windows = windows_of(table, places)
            contents, windows = self._cutter.cut(contents, windows, ids[places])
        images: dict[int, np.ndarray] = {}
        decoded = self.decoder().decode(contents, windows)
        for place, image in zip(places, decoded, strict=True):
            if isinstance(image, BadImage):
                faults[place] = image.reason
            else:
                images[place] = image
        return images, faults

    def sizes(self, files: Sequence[Encoded]) -> tuple[dict[int, tuple[int, int]], Faults]:
        """By place: height and width of the images, and what is wrong with those without."""
        decoder = self.decoder()
        found: dict[int, tuple[int, int] | BadImage] = {}
        unknown = []
        for place, file in enumerate(files):
            if isinstance(file, BadImage):
                found[place] = file
            elif file.height and file.width:
                found[place] = decoder.checked(file.height, file.width)
            else:
                unknown.append(place)
        asked = decoder.sizes([files[place].content for place in unknown])
        found.update(zip(unknown, asked, strict=True))
        sizes: dict[int, tuple[int, int]] = {}
        faults: Faults = {}
        for place in sorted(found):
            size = found[place]
            if isinstance(size, BadImage):
                faults[place] = size.reason
            else:
                sizes[place] = size
        return sizes, faults

    def other_size(self, size: tuple[int, int]) -> str:
        """What is wrong with an image of another size than all."""
        return (
            f"has {size[0]} x {size[1]} pixels where the others have {self.shape[0]} x "
            f"{self.shape[1]} (--set inputter.resize=N makes them alike)"
        )

    def decoder(self) -> Decoder:
        """This thread's own."""
        if not hasattr(self.local, "decoder"):
            self.local.decoder = Decoder(self._threads, self.batch_size, self._max_pixels)
        return self.local.decoder

    def _first_shape(self) -> tuple[int, int, int]:
        """The shape of the first image that can be used: all others must have it too."""
        for path in self._paths:
            images, _ = self.decode(read([path]))
            if images:
                return images[0].shape
        raise DataError(
            f"[inputter] expected images, found none among {len(self._paths)} files, of which the "
            f"first is {self._paths[0]}. Name other files"
        )

    def close(self) -> None:
        """Stops reading."""
        self._files.close()
