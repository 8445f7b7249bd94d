"""Image files given by name, as a network sees them in evaluation."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Sequence

import numpy as np

from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError
from lambda_fast.data.fetch import DataError
from lambda_fast.inputter.geometry import Geometry, geometry

_TOGETHER = 64  # files decoded at once


def load_images(paths: Sequence[str], config: Config) -> np.ndarray:
    """Decodes files to what the recipe's own inputter hands over in evaluation.

    Returns:
        uint8 [len(paths), height, width, 3], RGB, upright.

    Raises:
        ConfigError: nothing says how large the images are.
        DataError: a file cannot be read or is no image; the first one is named.
    """
    from lambda_fast.inputter.pixels import DecodedPixels  # DALI takes a second to import

    threads = config.inputter.threads or len(os.sched_getaffinity(0))
    shown = eval_geometry(config)
    pixels = DecodedPixels(paths, shown, _TOGETHER, threads, config.inputter.max_pixels)
    images = np.empty((len(paths), *pixels.shape), np.uint8)
    try:
        for first in range(0, len(paths), _TOGETHER):
            ids = np.arange(first, min(first + _TOGETHER, len(paths)))
            faults = pixels.fill(images[ids[0] : ids[-1] + 1], ids, 0, pixels.start(ids))
            for place in sorted(faults):
                raise DataError(
                    f"[{paths[first + place]}] expected an image, found a file that "
                    f"{faults[place]}. Give another file, or repair it."
                )
    finally:
        pixels.close()
    return images


def eval_geometry(config: Config) -> Geometry:
    """Which window of a file the recipe shows in evaluation, and at what size.

    Sets in memory say themselves how large their images are.

    Raises:
        ConfigError: nothing says how large the images are.
    """
    if config.inputter.name != "in_memory_inputter":
        return geometry(config, "infer")
    dataset = config.inputter.dataset
    find("data", dataset, "load")
    side = getattr(importlib.import_module(f"lambda_fast.data.{dataset}"), "SIDE", 0)
    if not side:
        raise ConfigError(
            f"[image_files] expected {dataset} to tell the size of its images (SIDE), found nothing"
        )
    inputter = dataclasses.replace(config.inputter, resize=side)
    spec = dataclasses.replace(config.augmenter, crop="center")
    return geometry(dataclasses.replace(config, inputter=inputter, augmenter=spec), "infer")
