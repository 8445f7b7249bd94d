"""Random policies: operations give Pillow's bytes at torchvision's strengths, and dice are fair."""

import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

OPS = {
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness",
    "color", "contrast", "sharpness", "posterize", "solarize", "auto_contrast", "equalize",
}  # fmt: skip
UNSIGNED = {"identity", "posterize", "solarize", "auto_contrast", "equalize"}
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}
# torchvision/transforms/v2/_auto_augment.py: strengths at the highest of 31 levels.
STRENGTHS = {
    "rand_augment": {"shear": 0.3, "rotate": 30.0, "enhance": 0.9, "bits": 4},
    "trivial_augment": {"shear": 0.99, "rotate": 135.0, "enhance": 0.99, "bits": 6},
}


def moved(image, matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def through_pillow(image, policy, op, level, negative):
    """What torchvision does with an image of Pillow's."""
    most, sign, share = STRENGTHS[policy], -1 if negative else 1, level / 30
    if op.startswith("shear"):
        shear = sign * most["shear"] * share
        return moved(image, (1, shear, 0, 0, 1, 0) if op[-1] == "x" else (1, 0, 0, shear, 1, 0))
    if op.startswith("translate"):
        side = image.size[op[-1] == "y"]
        most_pixels = 150 / 331 * side if policy == "rand_augment" else 32
        pixels = sign * int(most_pixels * share + 1e-9)
        return moved(image, (1, 0, -pixels, 0, 1, 0) if op[-1] == "x" else (1, 0, 0, 0, 1, -pixels))
    if op == "rotate":
        return image.rotate(sign * most["rotate"] * share, Image.Resampling.NEAREST)
    if op in ENHANCERS:
        return ENHANCERS[op](image).enhance(1.0 + sign * most["enhance"] * share)
    if op == "posterize":
        return ImageOps.posterize(image, 8 - round(level / (30 / most["bits"])))
    if op == "solarize":
        return ImageOps.solarize(image, 255 * (30 - level) / 30)
    plain = {"auto_contrast": ImageOps.autocontrast, "equalize": ImageOps.equalize}
    return plain[op](image) if op in plain else image


def photo(height, width, channels):
    """Soft shapes in few values, with noise: what stretches, spreads and blurs visibly."""
    rng = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width]
    waves = [60 + 40 * np.sin(x / (3 + c)) + 35 * np.cos(y / (4 - c)) for c in range(channels)]
    return (np.stack(waves, 2) + rng.integers(0, 12, (height, width, channels))).astype(np.uint8)


def as_pillow(array):
    return Image.fromarray(array if array.shape[2] == 3 else array[..., 0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("policy", "ops", "magnitude"),
    [
        ("trivial_augment", 1, 0),
        *[("rand_augment", 1, magnitude) for magnitude in (0, 9, 20, 30)],
        ("rand_augment", 3, 14),
    ],
)
def test_each_operation_gives_pillows_bytes(policy, ops, magnitude, channels):
    image, count = photo(33, 47, channels), 900
    spec = AugmentSpec(policy=policy, policy_ops=ops, policy_magnitude=magnitude)
    found = augment_numpy(np.stack([image] * count), np.arange(count), 3, 1, spec)
    seen = Counter()
    for sample_id in range(count):
        steps = native.core().draw(image.shape, sample_id, 3, 1, spec.fields())["policy"]
        assert len(steps) == ops
        expected = as_pillow(image)
        for step in steps:
            expected = through_pillow(expected, policy, **step)
            seen[step["op"], step["negative"]] += 1
        wrong = np.asarray(expected, np.float32).reshape(image.shape) != found[sample_id]
        assert not wrong.any(), (steps, wrong.mean())
    assert set(seen) == {(op, sign) for op in OPS for sign in (False, True)[: 2 - (op in UNSIGNED)]}


def test_operations_levels_and_signs_are_fair():
    spec, count = {"policy": "trivial_augment"}, 14 * 31 * 10
    steps = [native.core().draw((8, 8, 3), i, 0, 0, spec)["policy"][0] for i in range(count)]
    for field, kinds in (("op", 14), ("level", 31)):
        counts = np.array(list(Counter(step[field] for step in steps).values()))
        assert len(counts) == kinds
        assert np.abs(counts - count / kinds).max() < 4 * math.sqrt(count / kinds), field
    signed = [step["negative"] for step in steps if step["op"] not in UNSIGNED]
    assert abs(np.mean(signed) - 0.5) < 4 * 0.5 / math.sqrt(len(signed))


def test_two_operations_of_an_image_are_drawn_apart():
    spec = {"policy": "rand_augment"}
    pairs = Counter()
    for sample_id in range(14 * 14 * 20):
        first, second = native.core().draw((8, 8, 3), sample_id, 0, 0, spec)["policy"]
        assert first["level"] == second["level"] == 9
        pairs[first["op"], second["op"]] += 1
    assert len(pairs) == 14 * 14


def test_a_policy_comes_after_the_flip_and_before_colours_and_cutout():
    image = photo(40, 40, 3)
    geometry = {"pad": 4, "crop": "random", "height": 40, "width": 40, "flip": 0.5}
    policy = {"policy": "rand_augment", "policy_ops": 2}
    after = {"brightness": 30.0, "contrast": (0.5, 1.5), "normalize": "image", "cutout": 9}
    images, ids = np.stack([image] * 64), np.arange(64)
    whole = augment_numpy(images, ids, 0, 0, AugmentSpec(**geometry, **policy, **after))
    for fields in (geometry, policy, after):
        images = augment_numpy(images, ids, 0, 0, AugmentSpec(**fields))
        images = images if fields is after else images.astype(np.uint8)
    assert images.tobytes() == whole.tobytes()
    off = AugmentSpec(**geometry, **policy, **after).without_dice()
    assert off.policy == "none"


def test_scaled_crops_are_those_of_an_image_whose_short_side_was_resized():
    fields = {"crop": "random_scaled", "height": 224, "width": 224, "short_side": (256.0, 512.0)}
    heights, tops = [], []
    for sample_id in range(3000):
        window = native.core().draw((600, 800, 3), sample_id, 0, 0, fields)["window"]
        assert window["height"] == window["width"]
        assert 0 <= window["y"] <= 600 - window["height"]
        assert 0 <= window["x"] <= 800 - window["width"]
        heights.append(window["height"])
        tops.append(window["y"] / (600 - window["height"]))
    short_sides = 600 * 224 / np.array(heights)
    assert 255 <= short_sides.min() < 258
    assert 509 < short_sides.max() <= 513
    assert abs(short_sides.mean() - 384) < 4 * 256 / math.sqrt(12 * 3000)
    assert abs(np.mean(tops) - 0.5) < 4 / math.sqrt(12 * 3000)
