"""Geometry: which window of each image is shown and at what size, and what is left for the step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from lambda_fast import native
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, ConfigError
from lambda_fast.inputter import Mode


@dataclass(frozen=True)
class Geometry:
    """What an inputter of image files does to shapes.

    Attributes:
        height: of what is handed to the step, pixels; 0: as the images have it.
        width: likewise.
        random: windows come from the dice of the augmenter's crop, anew each epoch.
        short_side: the image's short side, resized to this many pixels, is what a centred window
            of height x width is cut from; 0: the largest window of that aspect.
        antialias: whether what shrinks is averaged.
        seed: of the dice.
        spec: what of the recipe's augmenter the inputter does itself.
        left: what of the recipe's augmenter is left for the step.
    """

    height: int
    width: int
    random: bool
    short_side: int
    antialias: bool
    seed: int
    spec: AugmentSpec
    left: AugmentSpec

    @property
    def keeps_size(self) -> bool:
        """Whether images are handed over as they are, and so must all have one size."""
        return self.height == 0

    def windows(self, sizes: np.ndarray, ids: np.ndarray, epoch: int) -> np.ndarray:
        """The window of each image.

        Args:
            sizes: int32 [images, 2], height and width of the whole images.
            ids: int64 [images].
            epoch: 0 <= epoch < 2**32.

        Returns:
            int32 [images, 4]: y, x, height, width.
        """
        if self.random:
            return native.core().crop_windows(sizes, ids, self.seed, epoch, self.spec.fields())
        if self.keeps_size:
            return np.concatenate([np.zeros_like(sizes), sizes], axis=1)
        return centred_windows(sizes, self.height, self.width, self.short_side)


def centred_windows(sizes: np.ndarray, height: int, width: int, short_side: int) -> np.ndarray:
    """The windows that a resize of the short side and a centred crop would show.

    Args:
        sizes: int32 [images, 2].
        height: of the crop, pixels.
        width: of the crop, pixels.
        short_side: after the resize; 0: the largest window of the crop's aspect.

    Returns:
        int32 [images, 4]: y, x, height, width; clipped to the image where the crop is larger.
    """
    scale = sizes.min(axis=1) / short_side if short_side else np.full(len(sizes), np.inf)
    scale = np.minimum(scale, (sizes / (height, width)).min(axis=1))
    extents = np.floor(scale[:, None] * (height, width) + 0.5).astype(np.int32)
    extents = np.clip(extents, 1, sizes)
    return np.concatenate([(sizes - extents) // 2, extents], axis=1).astype(np.int32)


def geometry(config: Config, mode: Mode) -> Geometry:
    """What a recipe asks of an inputter of image files.

    Raises:
        ConfigError: a size that is missing.
    """
    spec, inputter = config.augmenter, config.inputter
    resized_crop = spec.crop in ("random_resized", "random_scaled")
    if resized_crop and not (spec.height and spec.width):
        raise ConfigError(
            "[inputter] expected augmenter.height and augmenter.width with "
            f"augmenter.crop={spec.crop}, found {spec.height} and {spec.width}. Images differ "
            "in size: --set augmenter.height=224 --set augmenter.width=224"
        )
    random = mode == "train" and resized_crop
    left = spec if mode == "train" else spec.without_dice()
    if random:
        left = dataclasses.replace(spec, crop="center", pad=0)
    # Crops that do not resize are cut by the step, from squares of one size.
    height, width = (spec.height, spec.width) if resized_crop else (inputter.resize,) * 2
    return Geometry(
        height=height,
        width=width,
        random=random,
        short_side=0 if random else inputter.resize,
        antialias=inputter.antialias,
        seed=config.seed,
        spec=spec,
        left=left,
    )
