"""ImageList: which images a data set has and what each one shows, read from CSVs or class folders.

Reading opens no image: that a file is there, and what is in it, shows when it is decoded.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambda_fast.data import class_folders, image_csv
from lambda_fast.data.fetch import DataError

CLASS_NAMES_FILE = "class_names.txt"


@dataclass(frozen=True)
class Source:
    """One CSV or folder that a list was read from.

    Attributes:
        name: of the CSV as it was given; empty for class folders.
        folder: absolute; relative paths count from here.
        first_line: of the CSV, when the lines of all CSVs are counted in a row from 1.
    """

    name: str
    folder: str
    first_line: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageList:
    """Images and their labels. A sample's id is its index here.

    Attributes:
        paths: absolute.
        labels: int32 [samples], indices into `class_names`.
        class_names: by label.
        sources: in the order in which they were read.
        lines: int32 [samples], where each sample stands, counted through all CSVs in a row; none
            for class folders.
        note: what was left out, one sentence to show; empty when nothing was.
    """

    paths: list[str]
    labels: np.ndarray
    class_names: tuple[str, ...]
    sources: tuple[Source, ...]
    lines: np.ndarray | None = None
    note: str = ""

    def __len__(self) -> int:
        return len(self.paths)

    def where(self, index: int) -> str:
        """The sample for an error message: `train.csv line 17: cats/1.jpg`, or its path."""
        source = self._source(index)
        if self.lines is None:
            return self.paths[index]
        line = int(self.lines[index]) - source.first_line + 1
        return f"{source.name} line {line}: {self.relative(index)}"

    def relative(self, index: int) -> str:
        """The sample's path from the folder of its CSV or class folders; absolute if outside."""
        return self.paths[index].removeprefix(f"{self._source(index).folder.rstrip('/')}/")

    def take(self, indices: np.ndarray) -> ImageList:
        """The list of these samples (int64 [n]), with the same classes, that knows their lines."""
        return ImageList(
            paths=[self.paths[index] for index in indices.tolist()],
            labels=self.labels[indices],
            class_names=self.class_names,
            sources=self.sources,
            lines=None if self.lines is None else self.lines[indices],
        )

    def digest(self) -> str:
        """Tells whether two lists have the same images in the same order, wherever they lie."""
        content = hashlib.blake2b(self.labels.tobytes(), digest_size=8)
        for index in range(len(self)):
            content.update(f"{self.relative(index)}\n".encode(errors="surrogateescape"))
        return content.hexdigest()

    def _source(self, index: int) -> Source:
        if self.lines is None:
            return self.sources[0]
        line = int(self.lines[index])
        after = bisect.bisect_right(self.sources, line, key=lambda source: source.first_line)
        return self.sources[after - 1]


def read(
    meta: str,
    *,
    class_names_file: str | None = None,
    num_classes: int = 0,
    class_names: tuple[str, ...] | None = None,
) -> ImageList:
    """Reads a data set's list.

    The classes are, the first that there is: `class_names`, the lines of `class_names_file`, the
    names of the class folders or, for CSVs, the lines of `class_names.txt` beside the first one,
    and else the numbers from 0 to the largest label. So an evaluation set that is read with the
    training set's `class_names` may lack some of them, and may have no others.

    Args:
        meta: a CSV of `path,label`, several of them joined by commas, or a folder of class folders.
            Relative paths count from the CSV's folder, a label is a number from 0 or a class name.
        class_names_file: one name a line.
        num_classes: 0: as many as there are names, or the largest label and one.
        class_names: those of the training set.

    Raises:
        DataError: names the file, and the line if there is one.
    """
    if class_names is None and class_names_file:
        class_names = read_class_names(Path(class_names_file).expanduser())
    # Not `Path.is_dir`, which raises where a list of names is too long for one.
    place = os.path.expanduser(meta)  # noqa: PTH111
    if os.path.isdir(place):  # noqa: PTH112
        found = _from_folders(os.path.abspath(place), class_names)  # noqa: PTH100
    else:
        one = os.path.isfile(place)  # noqa: PTH113
        files = [meta] if one else [part.strip() for part in meta.split(",")]
        if class_names is None:
            beside = Path(files[0]).expanduser().with_name(CLASS_NAMES_FILE) if files[0] else None
            class_names = read_class_names(beside) if beside and beside.is_file() else None
        found = _from_csvs(files, class_names, num_classes)
    if num_classes not in (0, len(found.class_names)):
        raise DataError(
            f"[{meta}] expected {num_classes} classes, found {len(found.class_names)}: "
            f"{_few(found.class_names)}. Set num_classes to 0, or name as many classes."
        )
    return found


def read_class_names(file: Path) -> tuple[str, ...]:
    """Class names from a file, one a line.

    Raises:
        DataError: it cannot be read, holds no name, or has an empty line between names.
    """
    try:
        names = file.read_text("utf-8-sig").rstrip().splitlines()
    except OSError as error:
        raise image_csv.unreadable(file, error, "Give another file of class names.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"[{file}] expected text in UTF-8, found {error.reason}.") from error
    names = [name.strip() for name in names]
    if not names:
        raise DataError(f"[{file}] expected one class name a line, found none.")
    if "" in names:
        raise DataError(
            f"[{file} line {names.index('') + 1}] expected a class name, found an empty line. "
            "The number of a name's line is its label: remove the line, or name the class."
        )
    return tuple(names)


def _from_folders(root: str, class_names: tuple[str, ...] | None) -> ImageList:
    scan = class_folders.scan(root, class_names)
    names = class_names or tuple(scan.counts)
    labels = {name: label for label, name in reversed(list(enumerate(names)))}
    runs = np.array([labels[name] for name in scan.counts], np.int32)
    return ImageList(
        paths=scan.paths,
        labels=np.repeat(runs, list(scan.counts.values())),
        class_names=names,
        sources=(Source("", root),),
        note=scan.note,
    )


def _from_csvs(files: Sequence[str], names: tuple[str, ...] | None, classes: int) -> ImageList:
    paths: list[str] = []
    labels, lines = array("i"), array("i")
    sources = []
    to_label = image_csv.Labels(names, classes)
    before = 0
    for file in files:
        if not file:
            raise DataError(
                f"[{','.join(files) or 'data set'}] expected a CSV of path,label or a folder of "
                "class folders, found an empty name."
            )
        place = Path(file).expanduser()
        sources.append(Source(file, str(place.parent.absolute()), before + 1))
        before = image_csv.read_into(paths, labels, lines, place, to_label, before)
    numbers = np.frombuffer(labels, np.int32)
    return ImageList(
        paths=paths,
        labels=numbers,
        class_names=names or tuple(map(str, range(classes or int(numbers.max()) + 1))),
        sources=tuple(sources),
        lines=np.frombuffer(lines, np.int32),
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
