"""Which windows an inputter of image files shows."""

import numpy as np
import pytest

from lambda_fast import native
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, ConfigError, InputterConfig
from lambda_fast.inputter.geometry import centred_windows, geometry

PHOTO = AugmentSpec(
    height=32, width=24, crop="random_resized", flip=0.5, brightness=9, saturation=(0.5, 1.5)
)

SCALED = AugmentSpec(
    height=32,
    width=24,
    crop="random_scaled",
    short_side=(32.0, 64.0),
    flip=0.5,
    policy="trivial_augment",
)


def config(spec=PHOTO, **fields):
    return Config(name="t", seed=7, augmenter=spec, inputter=InputterConfig(**fields))


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((375, 500), 256, (23, 86, 328, 328)),  # 224 / 256 of the short side, in the middle
        ((500, 375), 256, (86, 23, 328, 328)),
        ((375, 500), 0, (0, 62, 375, 375)),
        ((1, 1), 256, (0, 0, 1, 1)),
        ((100, 100), 100, (0, 0, 100, 100)),  # the crop would reach outside
    ],
)
def test_evaluation_shows_what_resizing_and_cropping_the_middle_would(size, short_side, expected):
    found = centred_windows(np.array([size], np.int32), 224, 224, short_side)
    assert found.tolist() == [list(expected)]
    assert found.dtype == np.int32


def test_a_crop_that_is_no_square_keeps_its_aspect():
    found = centred_windows(np.array([[400, 1000], [1000, 400]], np.int32), 100, 200, 0)
    assert found.tolist() == [[0, 100, 400, 800], [400, 0, 200, 400]]


@pytest.mark.parametrize("spec", [PHOTO, SCALED], ids=["resized", "scaled"])
def test_training_windows_are_those_of_the_augment_op(spec):
    shown = geometry(config(spec), "train")
    sizes = np.array([[48, 64], [200, 30], [33, 33]], np.int32)
    ids = np.array([5, 0, 2**40], np.int64)
    found = shown.windows(sizes, ids, 3)
    for size, sample_id, window in zip(sizes.tolist(), ids.tolist(), found.tolist(), strict=True):
        dice = native.core().draw((*size, 3), sample_id, 7, 3, spec.fields())
        assert list(dice["window"].values()) == window


@pytest.mark.parametrize("spec", [PHOTO, SCALED], ids=["resized", "scaled"])
def test_the_step_throws_the_same_other_dice_as_the_whole_augmenter(spec):
    left = geometry(config(spec), "train").left
    assert left.crop == "center"
    for sample_id in range(50):
        whole = native.core().draw((48, 64, 3), sample_id, 7, 3, spec.fields())
        after = native.core().draw((32, 24, 3), sample_id, 7, 3, left.fields())
        assert after["window"] == {"y": 0, "x": 0, "height": 32, "width": 24}
        for name in ("flip", "brightness", "contrast", "saturation", "cutout", "policy"):
            assert whole[name] == after[name]


def test_other_crops_are_cut_by_the_step_from_squares_or_whole_images():
    padded = AugmentSpec(pad=4, crop="random", flip=0.5)
    assert geometry(config(padded), "train").keeps_size
    assert geometry(config(padded), "train").left == padded
    squares = geometry(config(padded, resize=40), "train")
    assert (squares.height, squares.width) == (40, 40)
    assert geometry(config(padded, resize=40), "eval").left == padded.without_dice()


def test_evaluation_of_a_random_scale_shows_the_middle_of_the_resized_image():
    shown = geometry(config(SCALED, resize=36), "eval")
    assert (shown.height, shown.width, shown.short_side) == (32, 24, 36)
    assert shown.left == SCALED.without_dice()
    found = shown.windows(np.array([[360, 720]], np.int32), np.array([0]), 0)
    assert found.tolist() == [[20, 240, 320, 240]]


@pytest.mark.parametrize("crop", ["random_resized", "random_scaled"])
def test_crops_that_resize_need_a_size(crop):
    with pytest.raises(ConfigError, match=r"augmenter\.height and augmenter\.width"):
        geometry(config(AugmentSpec(crop=crop)), "train")
