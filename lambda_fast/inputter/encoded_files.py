"""Encoded files: reads many at a time, before they are needed, and looks at their structure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lambda_fast import native

READERS = 16  # enough to hide the latency of network storage; they sleep while it works
_INDEX_BYTES = 64 << 20  # at most: for up to 40,000 photographs, places in every row
_TOGETHER = 8  # files a task: handing over a task costs as much as reading a cached file


@dataclass(frozen=True)
class BadImage:
    """Why an image cannot be used, as the end of a sentence: "is truncated: …"."""

    reason: str


class EncodedImage(NamedTuple):
    """A file whose structure is sound.

    Attributes:
        content: uint8 [bytes].
        height: pixels, upright; 0 where the decoder must be asked.
        width: likewise.
    """

    content: np.ndarray
    height: int
    width: int


Encoded = EncodedImage | BadImage


class Reading:
    """Files that are being read."""

    def __init__(self, parts: Sequence[Future[list[Encoded]]]) -> None:
        self._parts = parts

    def result(self) -> list[Encoded]:
        """Waits. Each file, or why it cannot be used, in the order asked."""
        return [encoded for part in self._parts for encoded in part.result()]


class FileReader:
    """Reads files in the background."""

    def __init__(self, readers: int = READERS) -> None:
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="read")

    def start(self, paths: Sequence[str]) -> Reading:
        """Begins to read and returns at once."""
        return Reading(
            [
                self._pool.submit(read, paths[first : first + _TOGETHER])
                for first in range(0, len(paths), _TOGETHER)
            ]
        )

    def close(self) -> None:
        """Forgets what was not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class JpegCutter:
    """Makes shorter JPEGs, of which a decoder need not read what lies above and beside a window.

    Where a file was met before, an index tells where its parts begin.

    Args:
        files: how many there are.
        threads: that work on a batch.
    """

    def __init__(self, files: int, threads: int) -> None:
        self._index = native.core().PlaceIndex(files, _INDEX_BYTES)
        self._threads = threads

    def cut(
        self, contents: Sequence[np.ndarray], windows: np.ndarray, ids: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Leaves what windows do not show out of those files where that can be done.

        Args:
            contents: each uint8 [bytes]; may be written over.
            windows: int32 [images, 4], each y, x, height, width, in upright images.
            ids: int64 [images], of the files.

        Returns:
            The ends of the contents, which are images themselves, and the same windows in these.
        """
        cut = native.core().cut_jpegs(contents, windows, self._threads, self._index, ids)
        windows = windows.copy()
        windows[:, :2] -= cut[:, 1:].astype(np.int32)
        begins = cut[:, 0].tolist()
        return [content[begin:] for content, begin in zip(contents, begins, strict=True)], windows


def read(paths: Sequence[str]) -> list[Encoded]:
    """Reads files, one after the other, and looks at their structure."""
    found = native.core().read_images([os.fsencode(path) for path in paths])
    return [BadImage(file) if isinstance(file, str) else EncodedImage(*file) for file in found]
