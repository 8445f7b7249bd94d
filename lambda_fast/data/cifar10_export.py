"""CIFAR-10 as PNGs: a folder of image files with CSVs, whose sample ids are those in memory.

train/frog/00000.png, …      also readable as class folders
class_names.txt              written first: the folder is an export
train.csv, eval.csv          written last: the split is complete
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from lambda_fast.data import cifar10
from lambda_fast.data.fetch import DataError, Report

NAMES_FILE = "class_names.txt"


def export(
    folder: str | Path, data_dir: str | Path | None = None, *, report: Report = print
) -> tuple[int, int]:
    """Writes both splits; what an earlier call has written stays, so one that was ended goes on.

    Args:
        folder: absent, empty or an earlier export, whole or not.
        data_dir: as in `cifar10.fetch`.
        report: as in `cifar10.fetch`.

    Returns:
        How many images were written, and how many were there already.

    Raises:
        DataError: the folder holds something else, which is left as it is, or cannot be written;
            or as in `cifar10.fetch`.
    """
    root = Path(folder).expanduser()
    try:
        _claim(root)
        written = there = 0
        for split in cifar10.SPLITS:
            data = cifar10.load(split, data_dir, report=report)
            paths = [
                f"{split}/{data.class_names[label]}/{index:05d}.png"
                for index, label in enumerate(data.labels)
            ]
            for name in data.class_names:
                (root / split / name).mkdir(parents=True, exist_ok=True)
            with _progress(f"writing {split}/", len(paths), report) as tell:
                for index, (path, image) in enumerate(zip(paths, data.images, strict=True)):
                    new = _write_image(root / path, image)
                    written, there = written + new, there + (not new)
                    tell(index + 1)
            lines = (f"{path},{label}\n" for path, label in zip(paths, data.labels, strict=True))
            _write_whole(root / f"{split}.csv", "".join(lines))
    except OSError as error:
        raise DataError(
            f"[{error.filename or root}] expected to write there, found: "
            f"{error.strerror or error}. Make room or make it writable, and run again to go on."
        ) from error
    return written, there


def _claim(root: Path) -> None:
    """Makes the folder an export, or finds that it is one."""
    root.mkdir(parents=True, exist_ok=True)
    ours = {*cifar10.SPLITS, *(f"{split}.csv" for split in cifar10.SPLITS), NAMES_FILE}
    ours |= {_beside(Path(name)).name for name in ours}
    found = {path.name for path in root.iterdir()}
    names = "".join(f"{name}\n" for name in cifar10.CLASS_NAMES)
    marker = root / NAMES_FILE
    if found - {_beside(marker).name}:
        foreign = sorted(found - ours)
        if not foreign and (not marker.is_file() or marker.read_bytes() != names.encode()):
            foreign = sorted(found)
        if foreign:
            raise DataError(
                f"[{root}] expected an empty folder or an export of CIFAR-10, found "
                f"{foreign[0]} in it. Choose another folder."
            )
    else:
        _write_whole(marker, names)


def _write_image(path: Path, pixels: np.ndarray) -> bool:
    """Writes a PNG unless it is there; one that a killed process left half-written is replaced.

    Args:
        path: of the file.
        pixels: uint8 [32, 32, 3].

    Returns:
        Whether it was written.

    Raises:
        DataError: it is there and shows something else.
    """
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG", compress_level=1)
    with contextlib.suppress(FileNotFoundError):
        content = path.read_bytes()
        if content == png.getvalue():
            return False
        if not png.getvalue().startswith(content):  # perhaps by another version of Pillow
            _check_same(path, content, pixels)
            return False
    path.write_bytes(png.getvalue())
    return True


def _check_same(path: Path, content: bytes, pixels: np.ndarray) -> None:
    from PIL import Image

    with contextlib.suppress(OSError, SyntaxError, ValueError):
        with Image.open(io.BytesIO(content)) as image:
            found = np.asarray(image)
        if np.array_equal(found, pixels):
            return
    raise DataError(
        f"[{path}] expected the image that an export writes there, found another file. "
        "Remove it, or choose another folder."
    )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _write_whole(path: Path, text: str) -> None:
    """Puts the whole text at the path, or leaves the path as it was."""
    with _beside(path).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _beside(path).replace(path)


@contextlib.contextmanager
def _progress(title: str, total: int, report: Report) -> Iterator[Callable[[int], None]]:
    """Yields a function to be told the images so far; a live bar on a terminal, else one line."""
    if not sys.stderr.isatty():
        report(f"{title}: {total:,} images")
        yield lambda done: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
