"""Splits: which part of a data set is for training, and which for evaluation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from lambda_fast.data.class_folders import SPLIT_NAMES
from lambda_fast.data.fetch import DataError
from lambda_fast.data.image_list import ImageList

EVAL_NAMES = tuple(name for name in SPLIT_NAMES if name != "train")  # the first one there counts


def splits(folder: str) -> tuple[str, str | None]:
    """Finds the splits of a data set in the ways in which people lay them out.

    `train.csv` goes before the folder `train`, which counts as a split when there is one for
    evaluation (`val`, `valid`, `validation`, `eval`, `test`) or no other folder beside it. Capital
    letters do not matter.

    Returns:
        What `image_list.read` takes, for training and for evaluation. Without splits: what was
        given, and none.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        return folder, None
    entries = {path.name.casefold(): path for path in place.iterdir()}
    if "train.csv" in entries:
        evaluation = [entries[f"{n}.csv"] for n in EVAL_NAMES if f"{n}.csv" in entries]
        return str(entries["train.csv"]), str(evaluation[0]) if evaluation else None
    folders = {name: path for name, path in entries.items() if path.is_dir() and name[0] != "."}
    evaluation = [folders[name] for name in EVAL_NAMES if name in folders]
    if "train" in folders and (evaluation or len(folders) == 1):
        return str(folders["train"]), str(evaluation[0]) if evaluation else None
    return folder, None


def hold_out(images: ImageList, share: float = 0.1) -> tuple[ImageList, ImageList]:
    """Splits one list into a part for training and one for evaluation.

    Where an image goes depends on its path relative to the data set's folder alone. So it stays
    there when others are added, when the folder is moved, and whatever the seed; and what a small
    share holds out, a larger one does, too.

    Args:
        images: the whole.
        share: of the images that is held out, on average.

    Returns:
        The lists for training and for evaluation.

    Raises:
        DataError: one of them would be empty.
    """
    held = np.fromiter(
        (_position(images.relative(index)) < share for index in range(len(images))),
        bool,
        len(images),
    )
    if held.all() or not held.any():
        raise DataError(
            f"[{images.sources[0].name or images.sources[0].folder}] expected enough images to "
            f"hold out {share:.0%} of them, found {len(images)}. Give an evaluation set of its own."
        )
    return images.take(np.flatnonzero(~held)), images.take(np.flatnonzero(held))


def _position(path: str) -> float:
    """A fixed number in [0, 1) for a path."""
    digest = hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2.0**64
