"""replay draws the very images that a step of the run trains on."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tiny_run
from PIL import Image
from ranks import ROOT, TINY

from lambda_fast import native, picture
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.build import recipe
from lambda_fast.shown import as_pixels

STEP, IMAGES = 23, 12  # of two ranks of 6 images


def replay(*arguments):
    settings = ("gpu_count=2", "batch_size_per_gpu=6", "modeler.precision=float32")
    flags = [flag for setting in settings for flag in ("--set", setting)]
    return subprocess.run(
        [sys.executable, TINY, "replay", "--config", "cifar10", *flags, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_the_picture_holds_the_pixels_of_the_step(tmp_path):
    target = tmp_path / "grid.png"
    done = replay("--step", str(STEP), "--out", str(target))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{target} shows the {IMAGES} images of step {STEP}\n"
    data = tiny_run.tiny_load("train")
    epoch, index = divmod(STEP - 1, len(data.images) // IMAGES)
    assert epoch == 1
    ids = native.core().sample_order(0, epoch, len(data.images), index * IMAGES, IMAGES)
    spec = recipe("cifar10").augmenter
    augmented = augment_numpy(np.ascontiguousarray(data.images[ids]), ids, 0, epoch, spec)
    expected = as_pixels(augmented, spec)
    drawn = np.asarray(Image.open(target))
    scale, step = picture.CELL // 32, picture.CELL + picture.MARGIN
    for place in range(IMAGES):
        row, column = divmod(place, 4)
        y = picture.MARGIN + row * (step + picture.CAPTION) + scale // 2
        x = picture.MARGIN + column * step + scale // 2
        cell = drawn[y : y + picture.CELL : scale, x : x + picture.CELL : scale][:32, :32]
        assert np.abs(cell.astype(int) - expected[place]).max() <= 1, place


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--step", "0", "--out", "a.png"), "[--step] expected a step, counted from 1, found 0"),
        (("--step", "1", "--out", "a.nix"), "[--out] expected a file that ends in .png"),
    ],
)
def test_what_cannot_be_shown(arguments, message):
    done = replay(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_normalised_pixels_come_back(channels):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, channels), dtype=np.uint8)
    ids = np.arange(4)
    spec = AugmentSpec(normalize="channels", mean=(1.0, 2.0, 3.0), std=(40.0, 50.0, 60.0))
    found = as_pixels(augment_numpy(images, ids, 0, 0, spec), spec)
    assert np.array_equal(found, np.broadcast_to(images, (4, 8, 8, 3)))
    spec = AugmentSpec(normalize="image")
    stretched = as_pixels(augment_numpy(images, ids, 0, 0, spec), spec)
    assert (stretched.min(axis=(1, 2, 3)) == 0).all()
    assert (stretched.max(axis=(1, 2, 3)) == 255).all()
