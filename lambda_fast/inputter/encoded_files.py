"""Encoded files: reads many at a time, before they are needed, and looks at their structure."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambda_fast import native

READERS = 16  # enough to hide the latency of network storage; they sleep while it works
_TOGETHER = 8  # files a task: handing over a task costs as much as reading a cached file


@dataclass(frozen=True)
class BadImage:
    """Why an image cannot be used, as the end of a sentence: "is truncated: …"."""

    reason: str


Encoded = np.ndarray | BadImage


class Reading:
    """Files that are being read."""

    def __init__(self, parts: Sequence[Future[list[Encoded]]]) -> None:
        self._parts = parts

    def result(self) -> list[Encoded]:
        """Waits. Each file's bytes, uint8 [bytes], or why it cannot be used; in the order asked."""
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


def read(paths: Sequence[str]) -> list[Encoded]:
    """Reads files, one after the other, and looks at their structure."""
    files: list[Encoded] = [_bytes(path) for path in paths]
    whole = [index for index, file in enumerate(files) if isinstance(file, np.ndarray)]
    faults = native.core().encoded_image_faults([files[index] for index in whole])
    for index, fault in zip(whole, faults, strict=True):
        if fault:
            files[index] = BadImage(fault)
    return files


def _bytes(path: str) -> Encoded:
    try:
        return np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError as error:
        return BadImage(f"cannot be read: {error.strerror}")
    except ValueError as error:  # a NUL byte in the path
        return BadImage(f"cannot be read: {error}")
