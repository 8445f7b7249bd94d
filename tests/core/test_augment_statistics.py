"""The dice are fair, and independent of each other: rates, ranges and moments over many draws.

Keys are fixed, so that each test gives the same numbers every time; bounds are about four
standard errors.
"""

import itertools

import numpy as np
import pytest

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

COUNT = 6000
SHAPE = (32, 32, 3)
SPEC = {
    "pad": 4,
    "height": 32,
    "width": 32,
    "crop": "random",
    "flip": 0.3,
    "brightness": 63.0,
    "contrast": (0.2, 1.8),
    "saturation": (0.5, 3.0),
    "cutout": 4,
}
# What runs from draw to draw: the id, the seed or the epoch.
KEYS = {
    "ids": [(i, 0, 0) for i in range(COUNT)],
    "seeds": [(0, i, 0) for i in range(COUNT)],
    "epochs": [(0, 0, i) for i in range(COUNT)],
}


def draws(spec, running="ids", shape=SHAPE):
    return [native.core().draw(shape, *key, spec) for key in KEYS[running]]


def chi_square(values, size):
    counts = np.bincount(values, minlength=size)
    assert len(counts) == size, "a value outside of the range"
    expected = len(values) / size
    return float(((counts - expected) ** 2 / expected).sum())


def critical(size):
    """Chi-square's value that a fair die exceeds once in 10,000 times (Wilson and Hilferty)."""
    free = size - 1
    return free * (1 - 2 / (9 * free) + 3.72 * np.sqrt(2 / (9 * free))) ** 3


def assert_uniform(values, low, high):
    unit = (np.asarray(values) - low) / (high - low)
    assert unit.min() >= 0
    assert unit.max() < 1
    assert chi_square((unit * 50).astype(int), 50) < critical(50)


@pytest.mark.parametrize("running", KEYS)
def test_every_die_is_fair(running):
    thrown = draws(SPEC, running)
    assert abs(np.mean([d["flip"] for d in thrown]) - 0.3) < 4 * np.sqrt(0.21 / COUNT)
    assert_uniform([d["brightness"] for d in thrown], -63, 63)
    assert_uniform([d["contrast"] for d in thrown], np.float32(0.2), np.float32(1.8))
    assert_uniform([d["saturation"] for d in thrown], 0.5, 3.0)
    rows, columns = (np.array([d["window"][axis] + 4 for d in thrown]) for axis in ("y", "x"))
    assert chi_square(rows * 9 + columns, 81) < critical(81)


def test_dice_are_independent():
    thrown = draws(SPEC)
    table = [
        (
            d["window"]["y"],
            d["window"]["x"],
            d["flip"],
            d["brightness"],
            d["contrast"],
            d["saturation"],
            d["cutout"]["y"],
            d["cutout"]["x"],
        )
        for d in thrown
    ]
    correlation = np.corrcoef(np.array(table, float), rowvar=False)
    assert np.abs(correlation - np.eye(len(correlation))).max() < 4.2 / np.sqrt(COUNT)


@pytest.mark.parametrize("running", KEYS)
def test_neighbouring_keys_are_independent(running):
    values = [d["brightness"] for d in draws({"brightness": 63.0}, running)]
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4 / np.sqrt(COUNT)


def test_cutout_lies_anywhere_with_its_middle_in_the_image():
    spec = AugmentSpec(cutout=4, brightness=0.0)
    images = np.full((COUNT, 12, 9, 1), 7, np.uint8)
    cut = augment_numpy(images, np.arange(COUNT), 0, 0, spec)[..., 0] == 0
    areas = cut.sum(axis=(1, 2))
    assert areas.max() == 16
    assert areas.min() == 4  # at the upper left corner
    rows, columns = cut.any(axis=2), cut.any(axis=1)
    assert (areas == rows.sum(axis=1) * columns.sum(axis=1)).all()
    # The last cut row tells where the middle lies: rows [r - 2, r + 2).
    bottom, right = (11 - rows[:, ::-1].argmax(axis=1)), (8 - columns[:, ::-1].argmax(axis=1))
    assert (np.bincount(bottom, minlength=12)[:1] == 0).all()
    assert abs((bottom == 5).mean() - 1 / 12) < 4 * np.sqrt(1 / 12 / COUNT)
    assert abs((bottom == 11).mean() - 2 / 12) < 4 * np.sqrt(2 / 12 / COUNT)
    assert abs((right == 4).mean() - 1 / 9) < 4 * np.sqrt(1 / 9 / COUNT)


def test_the_image_shows_what_was_drawn():
    # Every pixel is known by its value, so the output itself tells its window and flip.
    image = np.arange(1, 145, dtype=np.uint8).reshape(1, 12, 12, 1)
    spec = {"pad": 2, "height": 12, "width": 12, "crop": "random", "flip": 0.5}
    output = augment_numpy(np.repeat(image, 2000, 0), np.arange(2000), 0, 0, AugmentSpec(**spec))
    seen = set()
    for sample_id, found in enumerate(output[..., 0]):
        drawn = native.core().draw((12, 12, 1), sample_id, 0, 0, spec)
        y, x, flip = drawn["window"]["y"], drawn["window"]["x"], drawn["flip"]
        row = found[6][::-1] if flip else found[6]
        assert row[6] == image[0, 6 + y, 6 + x, 0]
        assert (row[5] < row[6] < row[7]) and found[5][6] < found[6][6]
        seen.add((y, x, flip))
    assert seen == set(itertools.product(range(-2, 3), range(-2, 3), (False, True)))


def test_alternate_flips_show_every_other_epoch_the_other_side():
    fields = {"flip": 0.5, "alternate_flip": True}
    shown = [
        [native.core().draw((4, 4, 3), sample_id, 1, epoch, fields)["flip"] for epoch in range(4)]
        for sample_id in range(2000)
    ]
    assert all(sides in ([False, True] * 2, [True, False] * 2) for sides in shown)
    started = sum(sides[0] for sides in shown)
    assert abs(started - 1000) < 5 * np.sqrt(500)
    alone = [native.core().draw((4, 4, 3), i, 1, 0, {"flip": 0.5})["flip"] for i in range(2000)]
    assert alone == [sides[0] for sides in shown]


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_certain_flips(flip):
    assert {d["flip"] for d in draws({"flip": flip})} == {bool(flip)}


def test_resized_windows_have_the_asked_area_and_aspect():
    spec = {"crop": "random_resized", "area": (0.1, 0.4), "aspect": (0.5, 2.0)}
    windows = [d["window"] for d in draws(spec, shape=(400, 400, 3))]
    h, w = (np.array([window[axis] for window in windows]) for axis in ("height", "width"))
    y, x = (np.array([window[axis] for window in windows]) for axis in ("y", "x"))
    # At most 0.4 * 400^2 * 2 = 358^2: every first attempt fits, so both dice are seen unfiltered.
    share, stretch = h * w / 400**2, np.log2(w / h)
    assert 0.098 < share.min() < 0.102
    assert 0.398 < share.max() < 0.402
    assert abs(share.mean() - 0.25) < 4 * 0.3 / np.sqrt(12 * COUNT)
    assert abs(stretch.mean()) < 4 * 2 / np.sqrt(12 * COUNT)
    assert abs(stretch.std() - 2 / np.sqrt(12)) < 0.02
    assert -1.03 < stretch.min() < -0.97 < 0.97 < stretch.max() < 1.03
    assert min(y.min(), x.min()) == 0
    assert (y + h).max() == (x + w).max() == 400
    for offset, size in ((y, h), (x, w)):
        assert_uniform((offset + 0.5) / (400 - size + 1), 0, 1)


@pytest.mark.parametrize(
    ("shape", "window"),
    [((10, 100, 3), (0, 43, 10, 13)), ((100, 10, 3), (43, 0, 13, 10)), ((7, 7, 1), (0, 0, 7, 7))],
    ids=["wide", "tall", "square"],
)
def test_a_window_that_never_fits_becomes_the_largest_in_the_middle(shape, window):
    spec = {"crop": "random_resized", "area": (1.0, 1.0), "aspect": (0.75, 4 / 3)}
    if shape[0] == shape[1]:
        spec["aspect"] = (1.0, 1.0)
    names = ("y", "x", "height", "width")
    assert {tuple(d["window"][n] for n in names) for d in draws(spec, shape=shape)} == {window}
