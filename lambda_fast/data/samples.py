"""Samples: the image files that somebody means by names of files, folders and CSVs."""

import os
from collections.abc import Sequence
from pathlib import Path

from lambda_fast.data.class_folders import LeftOut, images_below
from lambda_fast.data.fetch import DataError
from lambda_fast.data.image_csv import read_paths


def sample_paths(samples: Sequence[str]) -> list[str]:
    """Image files from what was given, joined by commas or not.

    A folder's are all below it; a CSV's are those in its first column.

    Raises:
        DataError: a name of nothing, a folder without images or a CSV that cannot be read.
    """
    paths = []
    for given in samples:
        for part in [given] if _exists(given) else given.split(","):
            place = Path(part.strip()).expanduser()
            if not part.strip() or not _exists(part.strip()):
                raise DataError(
                    "[--samples] expected images, folders of them or CSVs, found nothing at "
                    f"{part!r}. Separate names by commas, or repeat --samples."
                )
            if place.is_dir():
                found = [*images_below(str(place), LeftOut())]
            elif place.suffix.lower() == ".csv":
                found = read_paths(place)
            else:
                found = [str(place)]
            if not found:
                raise DataError(f"[--samples] expected images in {place}, found none.")
            paths += found
    return paths


def _exists(name: str) -> bool:
    # Not `Path.exists`, which raises where a list of names is too long for one.
    return os.path.exists(os.path.expanduser(name))  # noqa: PTH110, PTH111
