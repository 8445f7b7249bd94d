"""Draws what an augmenter makes of one image: twelve samples in a grid.

    python -m lambda_fast.augmenter --augmenter vgg --image a.jpg --show grid.png

`--set augmenter.FIELD=VALUE` changes what it does.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lambda_fast import command, native, picture
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError
from lambda_fast.inputter.geometry import geometry

SAMPLES, COLUMNS = 12, 4


def samples(path: str, config: Config) -> np.ndarray:
    """The image as the first samples of a run's first epoch, each by dice of its own.

    Returns:
        uint8 [SAMPLES, height, width, 3]: pixel values, before they are normalised.

    Raises:
        ConfigError: fields that do not fit each other or the image.
        DataError: the file cannot be read or is no image.
    """
    image = np.asarray(picture.open_image(path))
    shown, ids = geometry(config, "train"), np.arange(SAMPLES)
    spec = dataclasses.replace(shown.left, normalize="none")
    try:
        images = np.stack([image] * SAMPLES)
        if not shown.keeps_size:
            windows = shown.windows(np.array([image.shape[:2]] * SAMPLES, np.int32), ids, 0)
            images = np.empty((SAMPLES, shown.height, shown.width, 3), np.uint8)
            native.core().resize(images, [image] * SAMPLES, windows, shown.antialias, 1)
        values = augment_numpy(images, ids, config.seed, 0, spec)
    except ValueError as error:  # of the native engine, in our own words
        raise ConfigError(str(error)) from error
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def grid(images: np.ndarray) -> Image.Image:
    """The images in rows of `COLUMNS`, none larger than a cell of `picture`."""
    height, width = images.shape[1:3]
    shrink = min(1.0, picture.CELL / max(height, width))
    cell = max(1, round(width * shrink)), max(1, round(height * shrink))
    step, margin = (cell[0] + picture.MARGIN, cell[1] + picture.MARGIN), picture.MARGIN
    rows = -(-len(images) // COLUMNS)
    size = margin + COLUMNS * step[0], margin + rows * step[1]
    drawing = Image.new("RGB", size, picture.PAPER)
    for index, image in enumerate(images):
        row, column = divmod(index, COLUMNS)
        at = margin + column * step[0], margin + row * step[1]
        drawing.paste(Image.fromarray(image).resize(cell, Image.Resampling.LANCZOS), at)
    return drawing


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lambda_fast.augmenter",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("--augmenter", required=True, metavar="NAME", help="for example vgg")
    parser.add_argument("--image", required=True, metavar="FILE")
    parser.add_argument("--show", required=True, metavar="FILE", help="draws the samples there")
    command.add_set(parser, "seed=1 or augmenter.policy_magnitude=20")
    options = parser.parse_args(arguments)
    target = Path(options.show).expanduser()
    picture.check_target(target)
    plain = Config(name="augmenter", augmenter=find("augmenter", options.augmenter)())
    config = command.assigned(plain, options)
    grid(samples(options.image, config)).save(target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
