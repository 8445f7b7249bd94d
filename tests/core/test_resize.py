"""Resizing: the native engine's bytes against the reference, and the reference against Pillow."""

import numpy as np
import pytest
from PIL import Image

from lambda_fast import native
from tests.image_files import photo
from tests.resize_reference import resize as reference
from tests.resize_reference import weights


def resize(images, windows, height, width, antialias=True, threads=2):
    output = np.empty((len(images), height, width, images[0].shape[2]), np.uint8)
    native.core().resize(output, images, np.array(windows, np.int32), antialias, threads)
    return output


def random_window(random, image):
    height, width = (int(random.integers(1, extent + 1)) for extent in image.shape[:2])
    y, x = image.shape[0] - height, image.shape[1] - width
    return int(random.integers(0, y + 1)), int(random.integers(0, x + 1)), height, width


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", range(12))
def test_bytes_are_those_of_the_reference(channels, seed, antialias):
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 70, 2)
    shapes = random.integers(1, 120, (4, 2))
    images = [random.integers(0, 256, (*shape, channels), np.uint8) for shape in shapes]
    windows = [random_window(random, image) for image in images]
    found = resize(images, windows, height, width, antialias)
    for image, window, result in zip(images, windows, found, strict=True):
        assert np.array_equal(result, reference(image, window, height, width, antialias)), (
            window,
            found.shape,
        )


@pytest.mark.parametrize(
    ("size", "output"),
    [
        ((224, 224), (224, 224)),
        ((300, 280), (224, 224)),
        ((47, 800), (32, 224)),
        ((9, 7), (224, 64)),
    ],
)
def test_the_filter_is_pillows(size, output):
    image = photo(3, *size)
    found = resize([image], [(0, 0, *size)], *output)[0]
    pillow = Image.fromarray(image).resize(output[::-1], Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.asarray(pillow)).max() <= 1


def test_a_window_of_the_outputs_size_is_copied():
    image = photo(5, 60, 50)
    assert np.array_equal(resize([image], [(7, 3, 40, 32)], 40, 32)[0], image[7:47, 3:35])


def test_weights_sum_to_one_and_constant_images_stay_constant():
    for source, output in ((1, 1), (5, 3), (3, 5), (1000, 7), (640, 224), (2592, 224)):
        assert (weights(source, output).sum(axis=1) == 2**14).all()
    for value in (0, 1, 127, 254, 255):
        image = np.full((37, 91, 3), value, np.uint8)
        assert (resize([image], [(0, 0, 37, 91)], 24, 25) == value).all()


@pytest.mark.parametrize("size", [(30, 50), (64, 64), (200, 150), (700, 300)])
def test_without_antialiasing_it_samples_as_the_augment_op_does(size):
    image = photo(8, *size)
    fields = {"height": 48, "width": 40, "crop": "random_resized", "area": (1.0, 1.0)}
    fields |= {"aspect": (size[1] / size[0],) * 2}
    by_op = native.core().augment(image[None], np.array([0]), 0, 0, fields, "float32", 1)[0]
    found = resize([image], [(0, 0, *size)], 48, 40, antialias=False)[0]
    assert np.abs(found - by_op).max() <= 1.0


def test_threads_do_not_matter():
    images = [photo(index, 80 + index, 60) for index in range(9)]
    windows = [(index, 0, 70, 50) for index in range(9)]
    alone = resize(images, windows, 33, 31, threads=1)
    assert np.array_equal(alone, resize(images, windows, 33, 31, threads=5))


@pytest.mark.parametrize(
    "window", [(0, 0, 11, 5), (1, 0, 10, 5), (0, -1, 3, 3), (0, 0, 0, 3), (0, 2, 3, 2**31 - 1)]
)
def test_a_window_outside_of_the_image_is_refused(window):
    with pytest.raises(ValueError, match="expected a window inside of an image of 10x20"):
        resize([np.zeros((10, 20, 3), np.uint8)], [window], 4, 4)


def test_an_image_of_other_channels_is_refused():
    output = np.empty((1, 4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"uint8\[height, width, 3\]"):
        native.core().resize(
            output, [np.zeros((9, 9, 1), np.uint8)], np.array([[0, 0, 9, 9]], np.int32), True, 1
        )
