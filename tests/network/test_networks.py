"""Each network: its parameters, the sizes it refuses, and a step that moves all of it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast.build import find, recipe
from lambda_fast.config import Config, ConfigError, ModelerConfig
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.first_network import chosen_precision, network_of
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network import airbench, inception_v4
from lambda_fast.network.keras_application import trained_on_imagenet

PARAMETERS = [  # of the papers, or of what is widely used where a paper gives round numbers
    ("resnet32", 10, (32, 32, 3), 464_154),
    ("resnet50", 1000, (224, 224, 3), 25_557_032),
    ("vgg19", 1000, (224, 224, 3), 143_667_240),
    ("vgg19", 10, (32, 32, 3), 20_029_514),
    ("inception_v4", 1000, (299, 299, 3), 42_679_816),
    ("airbench", 10, (32, 32, 3), 1_971_328),
    # Of keras.applications with a head of ours for ten classes.
    ("MobileNet", 10, (32, 32, 3), 3_217_226),
    ("ResNet50V2", 10, (32, 32, 3), 23_539_850),
    ("EfficientNetV2B0", 10, (32, 32, 3), 5_871_514),
]


def learned(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(("name", "classes", "shape", "expected"), PARAMETERS)
def test_parameters(name, classes, shape, expected):
    model = find("network", name, "net")(classes, shape)
    assert learned(model) == expected
    assert model.output_shape == (None, classes)


@pytest.mark.parametrize(
    ("name", "side", "least"), [("vgg19", 31, 32), ("inception_v4", 74, 75), ("airbench", 8, 9)]
)
def test_images_that_are_too_small(name, side, least):
    words = rf"\[{name}\] expected images of at least {least} x {least} pixels, found 224 x {side}"
    with pytest.raises(ConfigError, match=words):
        find("network", name, "net")(10, (224, side, 3))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mobilenet", r"airbench, .* vgg19, or MobileNetV2 and others .*found 'mobilenet'"),
        ("MobileNetV9", r"MobileNetV2, .*found 'MobileNetV9'"),
    ],
)
def test_unknown_names(name, words):
    with pytest.raises(ConfigError, match=words):
        find("network", name, "net")


def training(name, side, precision="auto", base="cifar10", **fields):
    """A modeler of a run on eight random images, and its first batch."""
    rng = np.random.default_rng(4)
    smooth = rng.integers(0, 200, (8, side, side, 1), dtype=np.uint8)  # channels go together
    images = smooth + rng.integers(0, 50, (8, side, side, 3), dtype=np.uint8)
    order = Order(samples=8, batch_size=8, seed=0, shuffle=True, complete=False)
    names = tuple("abcdefghij")
    feed = InMemoryInputter(images, np.arange(8, dtype=np.int32), names, order)
    like = recipe(base)
    modeler = dataclasses.replace(like.modeler, network=name, precision=precision, **fields)
    config = dataclasses.replace(like, batch_size_per_gpu=8, modeler=modeler)
    return ImageClassificationModeler(config, feed, "train"), feed.batch(0, 0)


def test_images_that_a_keras_network_does_not_take():
    words = r"\[network\] expected images that InceptionV3 takes, found \(32, 32, 3\): .*75"
    with pytest.raises(ConfigError, match=words):
        training("InceptionV3", 32)


# MobileNet in both, because its depthwise convolutions are TensorFlow's own.
@pytest.mark.parametrize(
    ("name", "side", "precision"),
    [
        ("vgg19", 32, "auto"),
        ("inception_v4", 75, "auto"),
        ("MobileNet(alpha=0.25)", 32, "float32"),
        ("MobileNet(alpha=0.25)", 32, "bfloat16"),
    ],
)
def test_a_step_moves_every_variable(monkeypatch, name, side, precision):
    monkeypatch.setattr(inception_v4, "BLOCKS", {"a": 1, "b": 1, "c": 1})
    modeler, batch = training(name, side, precision, weight_decay=0.0)
    before = [variable.numpy() for variable in modeler.model.trainable_variables]
    outputs = modeler.train_step(batch)
    assert np.isfinite(outputs["loss"])
    for variable, old in zip(modeler.model.trainable_variables, before, strict=True):
        assert variable.dtype == "float32"
        new = variable.numpy()
        assert np.isfinite(new).all(), variable.path
        assert not np.array_equal(new, old), variable.path


def test_the_fast_recipe_whitens_learns_and_repeats():
    def losses():
        modeler, batch = training("airbench", 32, base="cifar10_fast", schedule="constant")
        found = [float(modeler.train_step(batch)["loss"]) for _ in range(6)]
        return modeler, found

    modeler, found = losses()
    assert found[-1] < found[0]
    again, found_again = losses()
    assert found_again == found
    whitening = modeler.model.get_layer("whitening").kernel.numpy()
    assert np.array_equal(whitening, again.model.get_layer("whitening").kernel.numpy())
    fresh, _ = training("airbench", 32, base="cifar10_fast")
    assert np.array_equal(whitening, fresh.model.get_layer("whitening").kernel.numpy())
    assert chosen_precision("auto") == modeler.config.modeler.precision


def test_whitened_patches_have_unit_covariance():
    rng = np.random.default_rng(3)
    images = 20 * rng.normal(size=(40, 16, 16, 3)) @ rng.normal(size=(3, 3))
    images = (images + np.roll(images, 1, axis=2)).astype(np.float32)
    model = airbench.net(10, (16, 16, 3))
    airbench.first_weights(model, images)
    y = model.get_layer("whitening")(images).numpy().reshape(-1, 24)
    np.testing.assert_allclose(y[:, :12].T @ y[:, :12] / len(y), np.eye(12), atol=0.02)
    np.testing.assert_allclose(y[:, 12:], -y[:, :12], atol=1e-5)


def test_the_first_filters_of_airbench_pass_their_channels():
    model = airbench.net(10, (32, 32, 3))
    x = np.random.default_rng(0).normal(size=(2, 7, 7, 64)).astype(np.float32)
    layer = model.get_layer("block2_1_conv")
    y = tf.nn.conv2d(x, layer.kernel, 1, "SAME").numpy()
    np.testing.assert_allclose(y[..., :64], x, rtol=1e-6)
    assert np.abs(y[..., 64:]).max() < 3 * np.abs(x).max()


def test_the_fast_gelu_is_near_the_exact_one():
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    assert np.abs(airbench.gelu(x) - keras.activations.gelu(x, approximate=False)).max() < 0.021


def test_unnamed_layers_are_called_alike_in_every_network():
    """A checkpoint of one process fits a network that another one built after others."""
    modeler = ModelerConfig(network="Xception", precision="float32")
    config = Config(name="names", modeler=modeler)
    first, second = (network_of(config, 3, (71, 71, 3)) for _ in range(2))
    assert [v.path for v in first.variables] == [v.path for v in second.variables]


def test_imagenet_weights_that_see_other_pixels_are_refused():
    with pytest.raises(ConfigError, match="EfficientNetV2B0"):
        trained_on_imagenet("EfficientNetB0", (64, 64, 3))
