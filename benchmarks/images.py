"""The images that benchmarks work on: real ones where they can be had, and never zeros."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lambda_fast.data import cifar10
from lambda_fast.data.fetch import DataError

PHOTO_HEIGHT, PHOTO_WIDTH = 375, 500  # the median ImageNet photograph
PHOTOS = "LAMBDA_FAST_PHOTOS"
PNGS = 64


def cifar(count: int) -> tuple[np.ndarray, np.ndarray, str]:
    """CIFAR-10's first training images.

    Returns:
        uint8 [count, 32, 32, 3], labels int32 [count], and where they are from. Where CIFAR-10
        cannot be had, images are generated, and their brightness is their label.
    """
    try:
        data = cifar10.load("train")
    except DataError:
        images = _generated(count, 32, 32)
        darker = images.mean(axis=(1, 2, 3)).argsort().argsort()  # how many images are darker
        return images, (darker * 10 // count).astype(np.int32), "generated"
    return data.images[:count], data.labels[:count], "cifar10"


def photographs(count: int) -> tuple[np.ndarray, str]:
    """Decoded photographs of 500x375, from the folder of JPEGs that LAMBDA_FAST_PHOTOS names.

    Returns:
        uint8 [count, 375, 500, 3] and where they are from. A folder with fewer is gone through
        again; without a folder they are generated.
    """
    folder = os.environ.get(PHOTOS)
    if not folder:
        return _generated(count, PHOTO_HEIGHT, PHOTO_WIDTH), "generated"
    paths = _jpegs(folder)
    images = np.empty((count, PHOTO_HEIGHT, PHOTO_WIDTH, 3), np.uint8)
    for index, path in enumerate(itertools.islice(itertools.cycle(paths), count)):
        with Image.open(path) as photo:
            images[index] = ImageOps.fit(photo.convert("RGB"), (PHOTO_WIDTH, PHOTO_HEIGHT))
    return images, "photographs"


def jpeg_files(folder: Path) -> tuple[list[str], str]:
    """JPEG files as they are: those that LAMBDA_FAST_PHOTOS names, or generated ones.

    Args:
        folder: to write generated ones to, of 500x375 and about 110 KB, as ImageNet's are.

    Returns:
        Their paths and where they are from.
    """
    named = os.environ.get(PHOTOS)
    if named:
        return [str(path) for path in _jpegs(named)], "photographs"
    paths = []
    for index, image in enumerate(_generated(200, PHOTO_HEIGHT, PHOTO_WIDTH)):
        path = folder / f"{index}.jpg"
        Image.fromarray(image).save(path, quality=90)
        paths.append(str(path))
    return paths, "generated"


def png_files(folder: Path) -> tuple[list[str], str]:
    """PNG files of 500x375, written from `photographs`.

    Args:
        folder: to write them to.

    Returns:
        Their paths and where the images are from.
    """
    images, source = photographs(PNGS)
    paths = []
    for index, image in enumerate(images):
        path = folder / f"{index}.png"
        Image.fromarray(image).save(path)
        paths.append(str(path))
    return paths, source


def _jpegs(folder: str) -> list[Path]:
    paths = sorted(
        path for path in Path(folder).iterdir() if path.suffix.lower() in (".jpeg", ".jpg")
    )
    if not paths:
        raise ValueError(f"[{PHOTOS}] expected a folder of JPEGs, found none in {folder!r}")
    return paths


def _generated(count: int, height: int, width: int) -> np.ndarray:
    """Smooth noise, as photographs are smooth, with some grain: each image another."""
    random = np.random.default_rng(0)
    images = np.empty((count, height, width, 3), np.uint8)
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = random.integers(-8, 9, (height, width, 3), np.int16)
        images[index] = np.clip(smooth + grain, 0, 255)
    return images


def batches_of(images: np.ndarray, batch: int) -> np.ndarray:
    """[count, ...] as [count / batch, batch, ...]."""
    return images.reshape(-1, batch, *images.shape[1:])


def cycle(batches: np.ndarray) -> Iterator[np.ndarray]:
    """The batches in turn, again and again."""
    return itertools.cycle(list(batches))
