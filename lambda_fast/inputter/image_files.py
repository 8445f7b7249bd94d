"""Image files given by name, as a network sees them in evaluation."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError
from lambda_fast.data.fetch import DataError


def image_size(config: Config) -> tuple[int, int]:
    """Height and width of a recipe's images: the augmenter's, or else those of its data set.

    Raises:
        ConfigError: neither says so.
    """
    if config.augmenter.height and config.augmenter.width:
        return config.augmenter.height, config.augmenter.width
    find("data", config.inputter.dataset, "load")
    side = getattr(
        importlib.import_module(f"lambda_fast.data.{config.inputter.dataset}"), "SIDE", 0
    )
    if not side:
        raise ConfigError(
            "[image_files] expected augmenter.height and augmenter.width above 0 for this data "
            f"set, found {config.augmenter.height} and {config.augmenter.width}"
        )
    return config.augmenter.height or side, config.augmenter.width or side


def load_images(paths: Sequence[str], config: Config) -> np.ndarray:
    """Decodes files: the largest centred window of the network's aspect, resized bilinearly.

    Returns:
        uint8 [len(paths), height, width, 3], RGB, upright.

    Raises:
        ConfigError: nothing says how large the images are.
        DataError: a file cannot be read or is no image; the first one is named.
    """
    height, width = image_size(config)
    images = np.empty((len(paths), height, width, 3), np.uint8)
    for index, path in enumerate(paths):
        fitted = ImageOps.fit(open_image(path), (width, height), Image.Resampling.BILINEAR)
        images[index] = np.asarray(fitted)
    return images


def open_image(path: str) -> Image.Image:
    """Decodes a file to RGB, turned upright as its EXIF says.

    Raises:
        DataError: it cannot be read or is no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, Image.UnidentifiedImageError):
            reason = "none, or of an unknown format"
        raise DataError(
            f"[{path}] expected an image, found: {reason}. Give another file, or repair it."
        ) from error
    if upright.mode.startswith("I"):  # 16 bits, which conversion alone would clip to white
        upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
    return upright.convert("RGB")
