"""Optimizers by name, weight decay and clipping, against numpy."""

import typing

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_modeler import net, tiny

from lambda_fast.config import ConfigError, ModelerConfig
from lambda_fast.modeler.clipping import clipped
from lambda_fast.modeler.optimizers import optimizer_of
from lambda_fast.modeler.weight_decay import decaying_of, with_l2

NAMES = typing.get_args(typing.get_type_hints(ModelerConfig)["optimizer"])


def two_variables():
    """A kernel and a bias, and a gradient of each for three steps."""
    rng = np.random.default_rng(0)
    variables = [
        keras.Variable(rng.normal(size=shape), name=name, dtype="float32")
        for shape, name in (((3, 4), "kernel"), ((4,), "bias"))
    ]
    return variables, [[rng.normal(size=v.shape) for v in variables] for _ in range(3)]


def updated(config, grads, rate=0.1):
    """The two variables after the optimizer's steps; the kernel alone decays."""
    variables, _ = two_variables()
    optimizer = optimizer_of(config, variables, variables[:1])
    for step in grads:
        optimizer.learning_rate.assign(rate)
        optimizer.apply([tf.constant(g, tf.float32) for g in step], variables)
    return [np.asarray(v.value, np.float64) for v in variables]


def test_lars_is_the_algorithm_of_the_paper():
    config = ModelerConfig(optimizer="lars", momentum=0.8, weight_decay=0.05, trust=0.02)
    variables, grads = two_variables()
    expected = [np.asarray(v.value, np.float64) for v in variables]
    velocity = [np.zeros(v.shape) for v in variables]
    norm = np.linalg.norm
    for step in grads:
        for i, g in enumerate(step):
            slope = g
            if i == 0:
                w = expected[0]
                slope = 0.02 * norm(w) / (norm(g) + 0.05 * norm(w)) * (g + 0.05 * w)
            velocity[i] = 0.8 * velocity[i] + 0.1 * slope
            expected[i] = expected[i] - velocity[i]
    for found, wanted in zip(updated(config, grads), expected, strict=True):
        assert np.allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_lars_moves_weights_that_are_zero():
    variable = keras.Variable(np.zeros((2, 2)), dtype="float32")
    optimizer = optimizer_of(ModelerConfig(optimizer="lars"), [variable], [variable])
    optimizer.apply([tf.ones((2, 2))], [variable])
    assert np.allclose(variable.value, -0.1)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_decoupled_decay_takes_its_share_off_what_decays_alone(name):
    _, grads = two_variables()
    without = updated(ModelerConfig(optimizer=name), grads[:1])
    found = updated(ModelerConfig(optimizer=name, weight_decay=0.5), grads[:1])
    kernel = np.asarray(two_variables()[0][0].value, np.float64)
    if name == "adamw":  # of the weights before the step: lamb's own step depends on them
        assert np.allclose(without[0] - found[0], 0.1 * 0.5 * kernel, atol=1e-6)
    assert not np.allclose(without[0], found[0])
    assert np.array_equal(without[1], found[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_goes_downhill_and_names_its_slots_after_the_variables(name):
    variables, _ = two_variables()
    before = [np.asarray(v.value) for v in variables]
    optimizer = optimizer_of(ModelerConfig(optimizer=name), variables, variables[:1])
    for _ in range(3):
        optimizer.apply([v.value * 1.0 for v in variables], variables)  # of |w|^2 / 2
    for old, variable in zip(before, variables, strict=True):
        assert np.linalg.norm(variable.value) < np.linalg.norm(old)
    paths = [v.path for v in optimizer.variables]
    assert paths[:2] == ["optimizer/iteration", "optimizer/learning_rate"]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(("optimizer/kernel_", "optimizer/bias_")) for path in paths[2:])


def test_decay_skips_the_named_variables_and_no_others():
    model = net(10, (32, 32, 3))
    kernels, biases = ["conv/kernel", "logits/kernel"], ["conv/bias", "logits/bias"]

    def decaying(skip):
        config = ModelerConfig(weight_decay_skip=skip)
        found = decaying_of(config, model.trainable_variables, model)
        return sorted(v.path.removeprefix("net/") for v in found)

    assert decaying(None) == kernels
    assert decaying(()) == sorted(kernels + biases)
    assert decaying(("*/logits/*",)) == ["conv/bias", "conv/kernel"]
    with pytest.raises(
        ConfigError, match=r"modeler.weight_decay_skip .*'gama'.* of net/conv/kernel, net/conv/bias"
    ):
        decaying(("*/bias", "gama"))
    weights = model.trainable_variables
    grads = [tf.ones_like(v.value) for v in weights]
    for grad, v in zip(with_l2(grads, weights, weights[:1], 0.5), weights, strict=True):
        expected = 1 + 0.5 * v.numpy() if v is weights[0] else np.ones(v.shape)
        assert np.allclose(grad, expected)


def test_clipping_keeps_the_direction_or_the_range():
    _, (grads, *_) = two_variables()
    tensors = [tf.constant(g, tf.float32) for g in grads]
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    for limit, factor in ((0.5, 0.5 / norm), (norm + 1, 1.0)):
        cut, told = clipped(tensors, ModelerConfig(clip_norm=limit))
        assert float(told["gradient_norm"]) == pytest.approx(norm, rel=1e-5)
        assert all(np.allclose(c, g * factor) for c, g in zip(cut, grads, strict=True))
    cut, _ = clipped(tensors, ModelerConfig(clip_value=0.3))
    assert all(np.allclose(c, np.clip(g, -0.3, 0.3)) for c, g in zip(cut, grads, strict=True))
    assert clipped(tensors, ModelerConfig()) == (tensors, {})


def test_the_step_clips_the_gradient_of_the_loss_and_not_the_decay(monkeypatch):
    fields = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.1}
    modeler, feed = tiny(monkeypatch, optimizer="sgd", clip_norm=1e-8, **fields)
    before = [v.numpy() for v in modeler.learning]
    outputs = modeler.train_step(feed.batch(0, 0))
    assert float(outputs["gradient_norm"]) > 1e-3
    for old, v in zip(before, modeler.learning, strict=True):
        shrunk = 1 - 0.1 * 0.1 if len(v.shape) > 1 else 1
        assert np.allclose(v.numpy(), old * shrunk, atol=1e-7), v.path
