"""The augmenter does what TensorFlow users mean: the same as tf.image, and as float64 numpy.

Only the dice are taken from us (`_core.draw`); nothing here shares a formula with the definition.
"""

import augment_cases
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

SEED, EPOCH = 17, 3
CIFAR = {"pad": 4, "height": 32, "width": 32, "crop": "random", "flip": 0.5}


def smooth(count, height, width, channels):
    """Photograph-like uint8 images: noise upon gradients."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = rng.uniform(-1, 1, (count, 3, channels))
    field = 128 + 90 * (
        waves[:, None, None, 0] * y[None, ..., None]
        + waves[:, None, None, 1] * x[None, ..., None]
        + waves[:, None, None, 2] * 0.3
    )
    noisy = field + rng.normal(0, 12, (count, height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def replay(shape, sample_id, spec):
    return native.core().draw(shape, sample_id, SEED, EPOCH, spec)


def run(images, spec, dtype="float32"):
    return augment_numpy(images, np.arange(len(images)), SEED, EPOCH, AugmentSpec(**spec), dtype)


def crop_and_flip(image, drawn, pad):
    """Pad, crop and flip by tf.image: float32."""
    height, width, _ = image.shape
    window = drawn["window"]
    padded = tf.image.pad_to_bounding_box(image, pad, pad, height + 2 * pad, width + 2 * pad)
    size = window["height"], window["width"]
    cropped = tf.image.crop_to_bounding_box(padded, window["y"] + pad, window["x"] + pad, *size)
    flipped = tf.image.flip_left_right(cropped) if drawn["flip"] else cropped
    return tf.cast(flipped, tf.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("normalize", ["none", "image"])
def test_the_cifar_chain_of_tf_image(normalize, channels):
    spec = {**CIFAR, "brightness": 63.0, "contrast": (0.2, 1.8), "normalize": normalize}
    images = smooth(24, 32, 32, channels)
    for i, found in enumerate(run(images, spec)):
        drawn = replay(images[i].shape, i, spec)
        expected = crop_and_flip(images[i], drawn, 4)
        expected = tf.image.adjust_brightness(expected, drawn["brightness"])
        expected = tf.image.adjust_contrast(expected, drawn["contrast"])
        if normalize == "image":
            expected = tf.image.per_image_standardization(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-4)


def test_geometry_alone_is_exact():
    spec = {**CIFAR, "height": 27, "width": 35}
    images = smooth(24, 32, 32, 3)
    for i, found in enumerate(run(images, spec)):
        drawn = replay(images[i].shape, i, spec)
        assert (found == crop_and_flip(images[i], drawn, 4).numpy()).all()


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("size", [(32, 40), (21, 28), (20, 27)])
def test_center_crop_is_tf_image_resize_with_crop_or_pad(size, pad):
    images = smooth(2, 32, 40, 3)
    spec = {"pad": pad, "height": size[0], "width": size[1]}
    padded = tf.pad(images, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    expected = tf.image.resize_with_crop_or_pad(padded, *size)
    assert (run(images, spec) == expected.numpy()).all()


def test_one_colour_becomes_zero_as_in_tf_image():
    images = np.full((3, 9, 7, 3), 201, np.uint8)
    expected = tf.image.per_image_standardization(images)
    np.testing.assert_allclose(run(images, {"normalize": "image"}), expected, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_faint_images_are_not_blown_up_as_in_tf_image(channels):
    # One value of all stands out by 1: the deviation is just below 1 / sqrt(elements), the floor.
    images = np.full((3, 9, 7, channels), 100, np.uint8)
    images[0, 4, 3, 0], images[1, 4, 3, 0] = 101, 99
    images[2, 4, 3, 0], images[2, 2, 2, 0] = 101, 99  # above it
    expected = tf.image.per_image_standardization(tf.cast(images, tf.float64)).numpy()
    np.testing.assert_allclose(run(images, {"normalize": "image"}), expected, atol=2e-4)


@pytest.mark.parametrize("contrast", [(1.0, 1.0), (0.4, 1.9)])
@pytest.mark.parametrize("normalize", ["none", "channels", "image"])
def test_colours_in_float64(normalize, contrast):
    luma = np.array([0.299, 0.587, 0.114])
    colours = {"brightness": 40.0, "contrast": contrast, "saturation": (0.0, 2.5)}
    spec = {"normalize": normalize, **augment_cases.IMAGENET, **colours}
    images = smooth(24, 19, 23, 3)
    for i, found in enumerate(run(images, spec)):
        drawn = replay(images[i].shape, i, spec)
        x = images[i].astype(np.float64) + drawn["brightness"]
        middle = x.mean(axis=(0, 1))
        x = middle + drawn["contrast"] * (x - middle)
        grey = (x @ luma)[..., None] * np.ones(3)
        x = grey + drawn["saturation"] * (x - grey)
        if normalize == "channels":
            x = (x - spec["mean"]) / spec["std"]
        elif normalize == "image":
            x = (x - x.mean()) / max(x.std(), 1 / np.sqrt(x.size))
        np.testing.assert_allclose(found, x, rtol=1e-6, atol=3e-4 if normalize == "none" else 5e-6)


def test_saturation_is_tf_image_rgb_to_grayscale_at_zero():
    images = smooth(4, 16, 16, 3)
    found = run(images, {"saturation": (0.0, 0.0)})
    expected = tf.image.rgb_to_grayscale(tf.cast(images, tf.float32))
    np.testing.assert_allclose(found, np.repeat(expected, 3, axis=-1), atol=0.05)  # 0.2989 there


@pytest.mark.parametrize("size", [(32, 32), (50, 61), (9, 14), (1, 1)])
@pytest.mark.parametrize("noise", [False, True])
def test_resized_crop_is_tf_image_resize(size, noise):
    spec = {"crop": "random_resized", "flip": 0.5, "height": size[0], "width": size[1]}
    shape = (24, 40, 48, 3)
    images = augment_cases.images(shape) if noise else smooth(*shape)
    errors = []
    for i, found in enumerate(run(images, spec)):
        drawn = replay(images[i].shape, i, spec)
        y, x, h, w = (drawn["window"][name] for name in ("y", "x", "height", "width"))
        window = tf.cast(images[i, y : y + h, x : x + w], tf.float32)
        expected = tf.image.resize(window, size, "bilinear", antialias=False)
        if drawn["flip"]:
            expected = tf.image.flip_left_right(expected)
        errors.append(found - expected.numpy())
    # Weights in 1/256 may move a value by half a step of 255 / 256 on each axis, rounding by 0.5.
    errors = np.concatenate([error.ravel() for error in errors])
    assert np.abs(errors).max() <= (1.5 if noise else 1.0)
    if errors.size > 100:  # of a few values, ties that are rounded up are many
        assert abs(errors.mean()) < 0.02


def test_a_whole_window_of_the_outputs_size_is_the_image_itself():
    images = augment_cases.images((3, 32, 32, 3))
    spec = {"crop": "random_resized", "area": (1.0, 1.0), "aspect": (1.0, 1.0)}
    assert (run(images, spec) == images).all()


def test_cutout_comes_last_and_spares_the_rest():
    images = smooth(16, 20, 24, 3)
    spec = {"normalize": "image", "brightness": 30.0, "contrast": (0.5, 1.5)}
    whole, cut = run(images, spec), run(images, {**spec, "cutout": 7})
    for i in range(len(images)):
        box = replay(images[i].shape, i, {**spec, "cutout": 7})["cutout"]
        mask = np.zeros(whole.shape[1:], bool)
        mask[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]] = True
        assert mask.any()
        assert (cut[i] == np.where(mask, np.float32(0), whole[i])).all()


def test_hues_turn_in_yiq():
    images, ids = augment_cases.images((40, 6, 5, 3)), np.arange(40)
    spec = AugmentSpec(hue=180.0)
    yiq = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263]])
    yiq = np.vstack([yiq, [0.211456, -0.522591, 0.311135]])
    found = augment_numpy(images, ids, 0, 0, spec)
    for image, sample_id, shown in zip(images, ids.tolist(), found, strict=True):
        degrees = native.core().draw(image.shape, sample_id, 0, 0, spec.fields())["hue"]
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
        expected = image @ (np.linalg.inv(yiq) @ turn @ yiq).T
        np.testing.assert_allclose(shown, expected, atol=2e-3)
