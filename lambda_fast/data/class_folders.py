"""Class folders: one folder a class, its images anywhere below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lambda_fast.data.fetch import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
SPLIT_NAMES = ("train", "val", "valid", "validation", "eval", "test")


@dataclass(frozen=True)
class Scan:
    """What lies in the class folders.

    Attributes:
        paths: absolute, class by class, each class in order of its paths.
        counts: images by class name, in order of the names.
        note: one sentence on the files that were left out; empty when there are none.
    """

    paths: list[str]
    counts: dict[str, int]
    note: str


class LeftOut:
    """Counts files that are no images by their names, and keeps the first few of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, path: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < 3:
            self.first.append(path)

    def note(self) -> str:
        """One sentence, or nothing."""
        if not self.count:
            return ""
        some = ", ".join(self.first) + (", …" if self.count > len(self.first) else "")
        entries = "1 entry" if self.count == 1 else f"{self.count:,} entries"
        return f"left out {entries} without an image's name: {some}"


def scan(root: str, class_names: tuple[str, ...] | None) -> Scan:
    """Lists the images of all class folders in `root`.

    As in torchvision's ImageFolder, links are followed and a class folder without images is an
    error. Hidden files and folders (`.ipynb_checkpoints`, `._1.jpg`) are left out.

    Args:
        root: absolute.
        class_names: the known classes; none: the folders are the classes.

    Raises:
        DataError: no class folders, one of an unknown class or one without images.
    """
    left_out = LeftOut()
    names = []
    loose = ""
    for entry in _entries(root):
        if entry.is_dir() and not entry.name.startswith("."):
            names.append(entry.name)
        else:
            left_out.add(entry.path)
            loose = loose or (entry.name if is_image(entry.name) else "")
    if not names:
        found = f"images without one, {loose} for example" if loose else "none"
        raise DataError(
            f"[{root}] expected class folders, found {found}. "
            "Make a folder for each class and put its images there."
        )
    if class_names is None and set(names) <= set(SPLIT_NAMES):
        raise DataError(
            f"[{root}] expected class folders, found the splits {', '.join(names)}. "
            "Give one of these folders."
        )
    if class_names is not None and (unknown := [n for n in names if n not in class_names]):
        known = ", ".join(class_names[:5]) + (", …" if len(class_names) > 5 else "")
        raise DataError(
            f"[{root}] expected folders of the {len(class_names)} known classes ({known}), found "
            f"{unknown[0]!r}. Rename or remove it, or train with that class."
        )
    paths: list[str] = []
    counts = {}
    for name in names:
        had = len(paths)
        paths.extend(images_below(f"{root.rstrip('/')}/{name}", left_out))
        counts[name] = len(paths) - had
        if not counts[name]:
            raise DataError(
                f"[{root}] expected images ({' '.join(EXTENSIONS)}) in each class folder, found "
                f"none in {name}. Put the class's images there, or remove the folder."
            )
    return Scan(paths, counts, left_out.note())


def images_below(folder: str, left_out: LeftOut, above: frozenset = frozenset()) -> Iterator[str]:
    """The images in a folder and all below it, in order of their paths; links are followed.

    Raises:
        DataError: a folder cannot be read, or a link leads back to a folder above it.
    """
    status = Path(folder).stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise DataError(f"[{folder}] expected a folder, found a link to one above. Remove it.")
    for entry in _entries(folder):
        if entry.name.startswith("."):
            left_out.add(entry.path)
        elif entry.is_dir():
            yield from images_below(entry.path, left_out, above | {here})
        elif is_image(entry.name):
            yield entry.path
        else:
            left_out.add(entry.path)


def is_image(name: str) -> bool:
    """Whether a file is an image by its name."""
    return name.lower().endswith(EXTENSIONS)


def _entries(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        found = error.strerror or str(error)
        raise DataError(f"[{folder}] expected a readable folder, found: {found}.") from error
