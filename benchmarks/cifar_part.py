"""A part of CIFAR-10 in files that whole programs of any framework can read: `<split>.npz`."""

from pathlib import Path

import numpy as np

from lambda_fast.data.cifar10 import Cifar10

DATASET = "benchmarks.cifar_part:load"  # as `inputter.dataset` takes it


def write(folder: Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Writes one split.

    Args:
        folder: that is there.
        split: train or eval.
        images: uint8 [N, 32, 32, 3].
        labels: int32 [N].
    """
    np.savez(folder / f"{split}.npz", images=images, labels=labels)


def load(split: str, data_dir: str | Path) -> Cifar10:
    """Reads one split, as `lambda_fast.data.cifar10.load` reads all of it."""
    with np.load(Path(data_dir) / f"{split}.npz") as part:
        return Cifar10(images=part["images"], labels=part["labels"])
