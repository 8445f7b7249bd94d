"""Quarantine: what happens with images that cannot be used. Nothing is left out in silence."""

from __future__ import annotations

import csv
import fcntl
import io
import threading
from pathlib import Path
from typing import Protocol

from lambda_fast.data.fetch import DataError

FILE = "quarantine.csv"
HEADER = ("path", "reason", "listed_as")


class BadImageError(DataError):
    """An image that cannot be used, in a run that takes none such."""


def none_left(where: str, samples: int) -> DataError:
    """The error of a data set of which no image can be used.

    Args:
        where: it was noticed.
        samples: of the data set.
    """
    return DataError(
        f"[{where}] expected an image that can be used, found none among {samples}. {FILE} in the "
        "run's folder tells what is wrong with each"
    )


class Named(Protocol):
    """What is asked of a list of images."""

    paths: list[str]

    def where(self, index: int) -> str:
        """The sample, for a message."""
        ...


class Quarantine:
    """Refuses bad images, or lists each once and lets the run go on without them.

    Args:
        images: that the ids stand for.
        policy: `error` or `quarantine`.
        file: the list, shared by all runs and ranks that write to it; none: no list is kept.
    """

    def __init__(self, images: Named, policy: str, file: Path | None) -> None:
        self._images = images
        self._policy = policy
        self._file = file
        self._lock = threading.Lock()
        self._listed: set[int] = set()

    def report(self, sample_id: int, reason: str) -> None:
        """Tells of a bad image.

        Raises:
            BadImageError: the policy is `error`.
        """
        where = self._images.where(sample_id)
        if self._policy == "error":
            raise BadImageError(
                f"[inputter] expected an image that can be used, found one that {reason}: {where}. "
                "Mend or remove it, or go on without it by --set inputter.on_bad_image=quarantine"
            )
        with self._lock:
            if sample_id in self._listed:
                return
            self._listed.add(sample_id)
            if self._file is not None:
                _append_once(self._file, (self._images.paths[sample_id], reason, where))


def _append_once(file: Path, row: tuple[str, str, str]) -> None:
    """Adds the row unless its path is there; several processes may do so at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", newline="", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        known = {line[0] for line in csv.reader(stream) if line}
        if row[0] in known:
            return
        text = io.StringIO()
        csv.writer(text).writerows([HEADER, row] if not known else [row])
        stream.write(text.getvalue())  # one write, so that a killed run leaves no half line
