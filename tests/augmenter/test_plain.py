"""What an exported network does to images is what evaluation does to them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from image_files import photo

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.plain import augmented, shown
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.build import recipe
from lambda_fast.inputter.geometry import geometry

SIZES = [(48, 64), (33, 20), (200, 300), (40, 40), (7, 90)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("resize", [0, 48, 40])
@pytest.mark.parametrize("antialias", [True, False])
def test_the_window_and_the_resize(size, resize, antialias):
    config = recipe("imagenet")
    config = dataclasses.replace(
        config,
        inputter=dataclasses.replace(config.inputter, resize=resize, antialias=antialias),
        augmenter=dataclasses.replace(config.augmenter, height=32, width=40),
    )
    place = geometry(config, "eval")
    image = photo(1, *size)
    window = place.windows(np.array([size], np.int32), np.zeros(1, np.int64), 0)
    expected = np.empty((1, 32, 40, 3), np.uint8)
    native.core().resize(expected, [image], window, antialias, 1)
    found = shown(image[None], place, (32, 40, 3)).numpy()
    difference = np.abs(found - expected)
    assert difference.max() <= 1 and difference.mean() < 0.05


@pytest.mark.parametrize("normalize", ["none", "channels", "image"])
def test_the_crop_and_the_normalisation(normalize):
    spec = AugmentSpec(
        height=17,
        width=20,
        normalize=normalize,
        mean=(120.0, 110.0, 100.0),
        std=(60.0, 50.0, 40.0),
    )
    images = np.stack([photo(index, 24, 31) for index in range(3)])
    expected = augment_numpy(images, np.arange(3), 0, 0, spec)
    found = augmented(tf.constant(images, tf.float32), spec).numpy()
    assert np.allclose(found, expected, atol=1e-4)
