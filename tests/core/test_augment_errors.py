"""What the augmenter refuses, and with which words: "[augment] expected …; found …"."""

import numpy as np
import pytest

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

NAN, INFINITY = float("nan"), float("inf")
IMAGES, IDS = np.zeros((2, 4, 6, 3), np.uint8), np.arange(2)
GREY = np.zeros((2, 4, 6, 1), np.uint8)

BAD_SPECS = [
    ({"height": 5}, "a crop of at most 4x6", "5x6"),
    ({"width": 9, "pad": 1}, "a crop of at most 6x8", "4x9"),
    ({"height": -1}, "height and width in 0", "-1x0"),
    ({"width": 40_000, "crop": "random_resized"}, "height and width in 0", "0x40000"),
    ({"height": 4096, "width": 4096, "crop": "random_resized"}, "at most 4194304", "4096x4096"),
    ({"pad": -1}, "pad in 0", "-1"),
    ({"pad": 1, "crop": "random_resized"}, "pad = 0 with crop = random_resized", "pad = 1"),
    ({"pad": 4, "border": "reflect"}, "pad below 4, the image's shorter side", "4"),
    ({"pad": 1, "crop": "random_scaled"}, "pad = 0 with crop = random_scaled", "pad = 1"),
    ({"border": "wrap"}, "border to be one of zero, reflect", "'wrap'"),
    (
        {"crop": "middle"},
        "crop to be one of center, random, random_resized, random_scaled",
        "'middle'",
    ),
    ({"crop": ""}, "crop to be one of", "''"),
    ({"crop": 3}, "another type for 'crop'", "3"),
    ({"area": (0.0, 1.0)}, r"area as \[low, high\]", r"\[0, 1\]"),
    ({"area": (0.5, 1.5)}, r"area as \[low, high\]", r"\[0.5, 1.5\]"),
    ({"area": (0.6, 0.5)}, r"area as \[low, high\]", r"\[0.6, 0.5\]"),
    ({"aspect": (2.0, 1.0)}, r"aspect as \[low, high\]", r"\[2, 1\]"),
    ({"aspect": (0.0, 1.0)}, r"aspect as \[low, high\]", r"\[0, 1\]"),
    ({"aspect": (1.0,)}, "another type for 'aspect'", r"\(1.0,\)"),
    ({"flip": 1.5}, r"flip as a probability in \[0, 1\]", "1.5"),
    ({"flip": -0.1}, r"flip as a probability in \[0, 1\]", "-0.1"),
    ({"flip": NAN}, r"flip as a probability in \[0, 1\]", "nan"),
    ({"flip": "often"}, "another type for 'flip'", "'often'"),
    ({"alternate_flip": True}, "flip above 0 with alternate_flip", "0"),
    ({"short_side": (0.5, 9.0)}, r"short_side as \[low, high\]", r"\[0.5, 9\]"),
    ({"crop": "random_scaled", "short_side": (5.0, 9.0)}, "short_side of at least 6", "5"),
    ({"policy": "auto"}, "policy to be one of none, rand_augment, trivial_augment", "'auto'"),
    ({"policy_ops": 0}, "policy_ops in 1..16", "0"),
    ({"policy_ops": 17}, "policy_ops in 1..16", "17"),
    ({"policy_magnitude": 31}, "policy_magnitude in 0..30", "31"),
    ({"brightness": -1.0}, r"brightness in \[0, 255\]", "-1"),
    ({"brightness": 256.0}, r"brightness in \[0, 255\]", "256"),
    ({"contrast": (2.0, 1.0)}, r"contrast as \[low, high\]", r"\[2, 1\]"),
    ({"contrast": (-1.0, 1.0)}, r"contrast as \[low, high\]", r"\[-1, 1\]"),
    ({"contrast": (1.0, NAN)}, r"contrast as \[low, high\]", r"\[1, nan\]"),
    ({"saturation": (1.0, INFINITY)}, r"saturation as \[low, high\]", r"\[1, inf\]"),
    ({"normalize": "unit"}, "normalize to be one of none, channels, image", "'unit'"),
    ({"mean": (0.0, INFINITY, 0.0)}, "a finite mean", r"mean\[1\] = inf"),
    ({"mean": (0.0, 0.0)}, "another type for 'mean'", r"\(0.0, 0.0\)"),
    ({"std": (1.0, 1.0, 0.0)}, r"std in \[1e-6, 1e30\]", r"std\[2\] = 0"),
    ({"std": (-1.0, 1.0, 1.0)}, r"std in \[1e-6, 1e30\]", r"std\[0\] = -1"),
    ({"std": (1.0, NAN, 1.0)}, r"std in \[1e-6, 1e30\]", r"std\[1\] = nan"),
    ({"cutout": -2}, "cutout in 0", "-2"),
    ({"cutout": 2**40}, "another type for 'cutout'", "1099511627776"),
]

SHAPE, ONE_EACH = r"images uint8\[batch, height, width, channels\]; ", r"sample_ids int64\[2\], one"
BAD_ARRAYS = [
    (IMAGES[0], IDS, SHAPE, r"shape \[4,6,3\]"),
    (IMAGES[None], IDS[:1], SHAPE, r"shape \[1,2,4,6,3\]"),
    (IMAGES[0, 0, 0, 0], IDS, SHAPE, r"shape \[\]"),
    (IMAGES[..., :2].copy(), IDS, "with 1 or 3 channels", "2"),
    (np.zeros((2, 4, 6, 4), np.uint8), IDS, "with 1 or 3 channels", "4"),
    (np.zeros((2, 4, 6, 0), np.uint8), IDS, "with 1 or 3 channels", "0"),
    (np.zeros((0, 4, 6, 2**32 + 3), np.uint8), IDS[:0], "with 1 or 3 channels", "4294967299"),
    (np.zeros((2, 0, 6, 3), np.uint8), IDS, "an image height and width in 1", "0x6"),
    (np.zeros((0, 4, 2**32 + 6, 3), np.uint8), IDS[:0], "height and width in 1", "4x4294967302"),
    (IMAGES, IDS[:1], ONE_EACH, r"shape \[1\]"),
    (IMAGES, np.arange(3), ONE_EACH, r"shape \[3\]"),
    (IMAGES, IDS[:, None], ONE_EACH, r"shape \[2,1\]"),
    (IMAGES, 0, ONE_EACH, r"shape \[\]"),
]


def refused(expected, found):
    return pytest.raises(ValueError, match=rf"^\[augment\] expected .*{expected}.*found .*{found}")


@pytest.mark.parametrize(("fields", "expected", "found"), BAD_SPECS)
def test_bad_specs(fields, expected, found):
    with refused(expected, found):
        augment_numpy(IMAGES, IDS, 0, 0, AugmentSpec(**fields))
    with refused(expected, found):
        native.core().draw(IMAGES.shape[1:], 0, 0, 0, fields)


@pytest.mark.parametrize(("images", "ids", "expected", "found"), BAD_ARRAYS)
def test_bad_arrays(images, ids, expected, found):
    with refused(expected, found):
        augment_numpy(images, ids, 0, 0, AugmentSpec())


def test_saturation_needs_colours():
    with refused("3 channels for saturation", "1"):
        augment_numpy(GREY, IDS, 0, 0, AugmentSpec(saturation=(0.5, 1.0)))
    augment_numpy(GREY, IDS, 0, 0, AugmentSpec(saturation=(1.0, 1.0)))


def test_unknown_fields():
    with refused("fields of the spec", "the unknown .*'rotate'"):
        native.core().augment(IMAGES, IDS, 0, 0, {"flip": 0.5, "rotate": 1}, "float32", 1)
    with pytest.raises(TypeError, match="rotate"):
        AugmentSpec(rotate=1)


def test_other_dtypes_of_the_output():
    with refused("dtype float32 or bfloat16", "float16"):
        augment_numpy(IMAGES, IDS, 0, 0, AugmentSpec(), "float16")


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads(threads):
    with refused("at least 1 thread", threads):
        native.core().augment(IMAGES, IDS, 0, 0, {}, "float32", threads)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (IMAGES.astype(np.float32), "float32"),
        (IMAGES.astype(np.int8), "int8"),
        (IMAGES[:, ::2], ""),
        (IMAGES.transpose(0, 2, 1, 3), ""),
    ],
    ids=["float32", "int8", "strided", "transposed"],
)
def test_images_of_another_type_or_layout_are_not_copied_in_silence(images, found):
    with pytest.raises(TypeError, match=rf"^\[augment\] expected .*images uint8.*found .*{found}"):
        augment_numpy(images, IDS, 0, 0, AugmentSpec())


@pytest.mark.parametrize("dtype", ["float64", "uint64"])
def test_ids_that_int64_cannot_hold(dtype):
    with pytest.raises(
        TypeError, match=rf"^\[augment\] expected sample_ids int64.*found .*{dtype}"
    ):
        augment_numpy(IMAGES, IDS.astype(dtype), 0, 0, AugmentSpec())


def test_ids_of_other_integers_and_layouts():
    images = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    spec = AugmentSpec(brightness=100.0)
    expected = augment_numpy(images, np.array([4, 6]), 0, 0, spec).tobytes()
    for ids in ([4, 6], np.array([4, 6], np.int32), np.arange(4, 8)[::2]):
        assert augment_numpy(images, ids, 0, 0, spec).tobytes() == expected


def test_no_images():
    output = augment_numpy(IMAGES[:0], IDS[:0], 0, 0, AugmentSpec(height=3, pad=1, crop="random"))
    assert output.shape == (0, 3, 6, 3)
    assert output.dtype == np.float32


@pytest.mark.parametrize("epoch", [-1, 2**32])
def test_epochs_beyond_the_counter(epoch):
    with pytest.raises(ValueError, match=rf"epoch in \[0, 2\^32\), found {epoch}"):
        augment_numpy(IMAGES, IDS, 0, epoch, AugmentSpec())
    with pytest.raises(ValueError, match=rf"epoch in \[0, 2\^32\), found {epoch}"):
        native.core().sample_order(0, epoch, 10, 0, 10)


def test_float_images_are_not_cast_in_silence():
    from lambda_fast.augmenter.augment import augment

    with pytest.raises(TypeError, match=r"\[augment\] expected images uint8.*found float32"):
        augment(IMAGES.astype(np.float32), IDS, 0, 0, AugmentSpec())


@pytest.mark.parametrize("field", ["brightness", "mean", "contrast"])
def test_magnitudes_that_could_become_denormal(field):
    value = {"brightness": 1e-38, "mean": (0.0, 1e-38, 0.0), "contrast": (1e-38, 1.0)}[field]
    with pytest.raises(ValueError, match=rf"expected {field} to be 0 or at least 1e-30"):
        augment_numpy(IMAGES, IDS, 0, 0, AugmentSpec(**{field: value}))
