"""Fixed inputs of the augmenter that several tests share: by name, an input's shape and a spec."""

import hashlib

import numpy as np

SEED, EPOCH = 20_240_229, 5
IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
ALL_COLOURS = {"brightness": 63.0, "contrast": (0.2, 1.8), "saturation": (0.3, 1.7)}
CIFAR = {"pad": 4, "height": 32, "width": 32, "crop": "random", "flip": 0.5}
RESIZED = {"crop": "random_resized", "flip": 0.5}
SCALED = {"crop": "random_scaled", "height": 20, "width": 24, "short_side": (24.0, 40.0)}
BATCH = (5, 32, 32, 3)
GREY = (5, 28, 28, 1)

CASES = {
    "as_it_is": (BATCH, {}),
    "as_it_is_grey": (GREY, {}),
    "center": (BATCH, {"height": 24, "width": 20}),
    "center_odd_rest": (BATCH, {"height": 31, "width": 29}),
    "center_padded": (BATCH, {"pad": 3, "height": 37, "width": 35}),
    "random": (BATCH, {"height": 24, "width": 20, "crop": "random"}),
    "random_padded": (BATCH, CIFAR),
    "random_far_padding": ((5, 6, 5, 3), {"pad": 40, "height": 7, "width": 9, "crop": "random"}),
    "random_grey": (GREY, {"pad": 4, "height": 28, "width": 28, "crop": "random", "flip": 0.5}),
    "reflect": (BATCH, {**CIFAR, "border": "reflect"}),
    "reflect_grey": (GREY, {"pad": 27, "crop": "random", "flip": 0.5, "border": "reflect"}),
    "reflect_far": ((5, 6, 9, 3), {"pad": 5, "height": 16, "width": 19, "border": "reflect"}),
    "flip_alternate": (BATCH, {"flip": 0.5, "alternate_flip": True}),
    "flip_always": (BATCH, {"flip": 1.0}),
    "flip_always_grey": (GREY, {"flip": 1.0}),
    "flip_narrow": ((5, 3, 5, 3), {"flip": 1.0}),
    "flip_wide": ((2, 2, 1001, 3), {"flip": 1.0}),
    "rand": (BATCH, {"policy": "rand_augment", "policy_ops": 16}),
    "rand_grey": (GREY, {"policy": "rand_augment", "policy_ops": 5, "policy_magnitude": 30}),
    "rand_cifar": (BATCH, {**CIFAR, "policy": "rand_augment", "normalize": "image", "cutout": 8}),
    "trivial": ((40, 19, 23, 3), {"policy": "trivial_augment"}),
    "trivial_all": (BATCH, {**RESIZED, **ALL_COLOURS, "policy": "trivial_augment"}),
    "policy_tiny": ((40, 2, 1, 3), {"policy": "trivial_augment"}),
    "brightness": (BATCH, {"brightness": 63.0}),
    "contrast": (BATCH, {"contrast": (0.2, 1.8)}),
    "contrast_fixed": (BATCH, {"contrast": (1.5, 1.5)}),
    "contrast_grey": (GREY, {"brightness": 63.0, "contrast": (0.2, 1.8)}),
    "saturation": (BATCH, {"saturation": (0.0, 2.0)}),
    "all_colours": (BATCH, ALL_COLOURS),
    "channels": (BATCH, {"normalize": "channels", **IMAGENET}),
    "channels_grey": (GREY, {"normalize": "channels", **IMAGENET}),
    "channels_colours": (BATCH, {"normalize": "channels", **IMAGENET, **ALL_COLOURS}),
    "image": (BATCH, {"normalize": "image"}),
    "image_grey": (GREY, {"normalize": "image"}),
    "image_contrast": (BATCH, {"normalize": "image", "brightness": 20.0, "contrast": (0.5, 2.0)}),
    "image_saturation": (BATCH, {"normalize": "image", "saturation": (0.0, 2.0)}),
    "image_colours": (BATCH, {"normalize": "image", **ALL_COLOURS}),
    "cutout": (BATCH, {"cutout": 16}),
    "cutout_odd": (BATCH, {"cutout": 7, "brightness": 5.0}),
    "cutout_all": (BATCH, {"cutout": 100, "normalize": "image"}),
    "cifar": (BATCH, {**CIFAR, **ALL_COLOURS, "normalize": "image", "cutout": 8}),
    "cifar_channels": (BATCH, {**CIFAR, "normalize": "channels", **IMAGENET}),
    "resized": (BATCH, RESIZED),
    "resized_grey": (GREY, {**RESIZED, "height": 20, "width": 33}),
    "resized_up": ((3, 7, 9, 3), {**RESIZED, "height": 50, "width": 61, "area": (0.01, 0.3)}),
    "resized_down": ((3, 90, 120, 3), {**RESIZED, "height": 16, "width": 15}),
    "resized_no_dice": (BATCH, {**RESIZED, "area": (1.0, 1.0), "aspect": (1.0, 1.0)}),
    "resized_fallback": ((5, 4, 60, 3), {**RESIZED, "area": (1.0, 1.0), "height": 9, "width": 9}),
    "resized_image": (BATCH, {**RESIZED, **ALL_COLOURS, "normalize": "image", "cutout": 8}),
    "scaled": ((3, 37, 52, 3), {**SCALED, "flip": 0.5}),
    "scaled_tall": ((3, 90, 20, 3), {**SCALED, "height": 24, "normalize": "image"}),
    "one_pixel": ((5, 1, 1, 3), {**RESIZED, **ALL_COLOURS, "normalize": "image", "cutout": 1}),
    "one_pixel_grey": ((5, 1, 1, 1), {"pad": 1, "crop": "random", "normalize": "image"}),
    "large": ((2, 301, 403, 3), {**RESIZED, **ALL_COLOURS, "normalize": "channels", **IMAGENET}),
    "large_image": ((2, 301, 403, 3), {"flip": 0.5, **ALL_COLOURS, "normalize": "image"}),
    "no_images": ((0, 8, 8, 3), {**CIFAR, "height": 8, "width": 8}),
}

# The hash of a case's output in one dtype: the same on every device.
SHA256 = {
    "cifar": ("float32", "056e1c0d1cf3bbd2276e5fd0106816c761f77bc202feb85945290d21fb9c9268"),
    "resized_image": (
        "bfloat16",
        "ce789cdebc9569fb2a5a793ae573b6ee5d08564d4d4920e20fe117c92b661467",
    ),
}


def images(shape):
    """Noise as uint8 images, from integers alone; the last of several images has one colour."""
    count = np.arange(1, np.prod(shape) + 1, dtype=np.uint64)
    noise = (count * count * np.uint64(6364136223846793005)) >> np.uint64(56)
    batch = noise.astype(np.uint8).reshape(shape)
    if len(batch) > 2:
        batch[-1] = 200
    return batch


def sample_ids(count):
    """Ids of both signs that need more than 32 bits."""
    return np.arange(count, dtype=np.int64) * 0x1_2345_6789_ABCD - 0x2_0000_0001


def inputs(name):
    """A case's images and ids."""
    shape = CASES[name][0]
    return images(shape), sample_ids(shape[0])


def sha256(array):
    """The hash of an array's bytes, with which devices and processes are compared."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
