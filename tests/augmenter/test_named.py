"""Augmenters found by name: what their papers ask for, and the command that draws them."""

import numpy as np
import pytest
from PIL import Image

from lambda_fast.augmenter import __main__ as drawing
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.build import find
from lambda_fast.config import ConfigError

NAMES = ["cifar", "inception", "rand_augment", "resnet", "trivial_augment", "vgg"]
PHOTO = np.random.default_rng(0).integers(0, 256, (1, 400, 500, 3), dtype=np.uint8)


def named(name, **fields):
    return find("augmenter", name)(**fields)


def one(spec, image=PHOTO, sample_id=3):
    return augment_numpy(image, np.array([sample_id]), 0, 0, spec)[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_name_gives_a_spec_with_dice_that_evaluation_goes_without(name):
    spec = named(name)
    assert isinstance(spec, AugmentSpec)
    assert len({one(spec, sample_id=i).tobytes() for i in range(8)}) == 8
    plain = spec.without_dice()
    assert len({one(plain, sample_id=i).tobytes() for i in range(8)}) == 1
    assert one(plain).shape == one(spec).shape
    assert named(name, flip=1.0).flip == 1.0


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ConfigError, match=f"one of {', '.join(NAMES)}; found 'alexnet'"):
        find("augmenter", "alexnet")


def test_vgg_subtracts_the_mean_alone():
    white = np.full_like(PHOTO, 255)
    assert one(named("vgg"), white).shape == (224, 224, 3)
    np.testing.assert_allclose(
        one(named("vgg"), white)[0, 0], 255 - np.array([123.68, 116.779, 103.939]), rtol=1e-6
    )


def test_inception_gives_values_from_minus_one_to_one():
    spec = named("inception").without_dice()
    ends = np.where(PHOTO < 128, 0, 255).astype(np.uint8)
    assert np.unique(one(spec, ends)).tolist() == [-1.0, 1.0]


def test_policies_stand_on_the_resnet_augmenter():
    for name in ("rand_augment", "trivial_augment"):
        assert named(name).policy == name
        assert named(name, policy="none", policy_ops=2) == named("resnet")
    assert named("rand_augment", policy_magnitude=20).policy_magnitude == 20


@pytest.mark.parametrize("name", NAMES)
def test_the_command_draws_twelve_samples(name, tmp_path):
    photo, target = tmp_path / "a.png", tmp_path / "grid.png"
    Image.fromarray(PHOTO[0]).save(photo)
    arguments = ["--augmenter", name, "--image", str(photo), "--show", str(target)]
    assert drawing.main([*arguments, "--set", "seed=1"]) == 0
    with Image.open(target) as grid:
        shown = np.asarray(grid)
    height = 179 if name == "cifar" else 224  # 400 x 500, or a crop, within 224 x 224
    assert shown.shape == (20 + 3 * (height + 20), 20 + 4 * 244, 3)
    cells = {
        shown[y : y + height, x : x + 224].tobytes()
        for y in range(20, shown.shape[0], height + 20)
        for x in range(20, shown.shape[1], 244)
    }
    assert len(cells) > 9  # cifar has 162 ways to show an image


def test_a_drawn_sample_is_what_a_run_would_train_on(tmp_path):
    photo = tmp_path / "a.png"
    Image.fromarray(PHOTO[0]).save(photo)
    config = drawing.Config(name="t", seed=5, augmenter=named("cifar", normalize="none"))
    expected = augment_numpy(np.repeat(PHOTO, 12, 0), np.arange(12), 5, 0, config.augmenter)
    np.testing.assert_array_equal(drawing.samples(str(photo), config), expected)


def test_what_does_not_fit_is_told(tmp_path):
    photo = tmp_path / "a.png"
    Image.fromarray(PHOTO[0]).save(photo)
    arguments = ["--augmenter", "vgg", "--image", str(photo), "--show", str(tmp_path / "b.png")]
    with pytest.raises(ConfigError, match=r"\[augment\] expected short_side of at least 224"):
        drawing.main([*arguments, "--set", "augmenter.short_side=100,200"])
    assert not (tmp_path / "b.png").exists()
