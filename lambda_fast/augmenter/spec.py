"""AugmentSpec: what an augmentation does, as plain values."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class AugmentSpec:
    """The fields of the native augmenter; each feature is off by default.

    csrc/README.md defines the arithmetic. Pixel values are 0..255.

    Attributes:
        height: of the output, in pixels; 0 keeps the input's.
        width: of the output, in pixels; 0 keeps the input's.
        pad: pixels added on each side before the crop.
        border: what they show: `zero`, or the image mirrored at its edge pixels, which are not
            repeated (`reflect`; pad must then be less than the shorter side).
        crop: where the output's window lies: in the middle, anywhere, or anywhere with a random
            area and aspect and resized bilinearly (Szegedy et al., 2014, arXiv:1409.4842).
            `random_scaled` is the crop that resizing the image's short side to a random length
            would give (Simonyan and Zisserman, 2014, arXiv:1409.1556).
        area: range of the window's share of the image, for `random_resized`.
        aspect: range of the window's width / height, for `random_resized`.
        short_side: range of the short side's length in pixels, for `random_scaled`; not below the
            output's longer side.
        flip: probability of a left-right flip.
        alternate_flip: the die is thrown once a sample, and each epoch mirrors what the last one
            showed, so that two epochs show both sides of every image (Jordan, 2024,
            arXiv:2404.00498).
        policy: operations on the pixels after geometry and before colours: `rand_augment` takes
            `policy_ops` of them in turn, all of one strength (Cubuk et al., 2019,
            arXiv:1909.13719); `trivial_augment` one, of any strength (TrivialAugment Wide, Müller
            and Hutter, 2021, arXiv:2103.10158). Operations and strengths are torchvision's; what
            they move is taken from the nearest pixel, and what they uncover is black.
        policy_ops: for `rand_augment`.
        policy_magnitude: for `rand_augment`, 0..30.
        brightness: largest shift; drawn from [-brightness, brightness).
        contrast: range of the factor about each channel's mean over the image.
        saturation: range of the factor about each pixel's luma.
        normalize: `channels` gives (x - mean[c]) / std[c], `image` standardises each image by
            itself as `tf.image.per_image_standardization` does, `none` keeps pixel values.
        mean: of each channel, for `channels`.
        std: of each channel, for `channels`.
        cutout: side of a square set to 0 after normalisation (DeVries and Taylor, 2017,
            arXiv:1708.04552); 0 is off.
    """

    height: int = 0
    width: int = 0
    pad: int = 0
    border: Literal["zero", "reflect"] = "zero"
    crop: Literal["center", "random", "random_resized", "random_scaled"] = "center"
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (0.75, 4.0 / 3.0)
    short_side: tuple[float, float] = (256.0, 512.0)
    flip: float = 0.0
    alternate_flip: bool = False
    policy: Literal["none", "rand_augment", "trivial_augment"] = "none"
    policy_ops: int = 2
    policy_magnitude: int = 9
    brightness: float = 0.0
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    normalize: Literal["none", "channels", "image"] = "none"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    cutout: int = 0

    def fields(self) -> dict[str, Any]:
        """The fields by name, as the native seams take them."""
        # Not `asdict`, whose deep copies would cost more than augmenting a small batch.
        return {name: getattr(self, name) for name in _NAMES}

    def without_dice(self) -> "AugmentSpec":
        """The same size and normalisation with nothing left to chance, for eval and infer."""
        return replace(
            self,
            pad=0,
            crop="center",
            flip=0.0,
            alternate_flip=False,
            policy="none",
            brightness=0.0,
            contrast=(1.0, 1.0),
            saturation=(1.0, 1.0),
            cutout=0,
        )


_NAMES = tuple(entry.name for entry in fields(AugmentSpec))
