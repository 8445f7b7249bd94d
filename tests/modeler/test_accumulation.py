"""Accumulated steps equal those of larger batches; averages follow, are restored and evaluated."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_modeler
from tiny_modeler import inputter, tiny

from lambda_fast import checkpoint, checkpoint_fit
from lambda_fast.modeler.first_bad_tensor import first_bad_tensor
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network.layers import Conv2D
from lambda_fast.runner.evaluate import evaluate


def test_two_batches_of_16_equal_one_of_32_with_dice_and_mixing(monkeypatch):
    fields = {"mixup": 0.4, "cutmix": 1.0, "clip_norm": 0.5, "weight_decay": 0.01}
    one, feed = tiny(monkeypatch, batch=32, **fields)
    two, feed_of_two = tiny(monkeypatch, batch=16, accumulate=2, **fields)
    assert feed_of_two.batch_size == feed.batch_size == 32
    assert feed_of_two.steps_per_epoch == feed.steps_per_epoch
    for step in range(3):
        outputs = one.train_step(feed.batch(0, step))
        outputs_of_two = two.train_step(feed_of_two.batch(0, step))
        assert outputs.keys() == outputs_of_two.keys()
        for name, value in outputs.items():
            assert float(value) == pytest.approx(float(outputs_of_two[name]), rel=1e-5), name
    for mine, other in zip(one.variables().values(), two.variables().values(), strict=True):
        assert np.allclose(mine.numpy(), other.numpy(), rtol=1e-4, atol=1e-6), mine.path
    assert two.step() == 3
    hlo = two.train_program_hlo(feed_of_two.batch(0, 0))
    assert hlo.count('custom_call_target="lf_augment"') == 1
    assert one.facts() == two.facts()


@pytest.fixture
def averaging(monkeypatch):
    """A modeler after 4 steps, its inputter, and its variables after each."""
    modeler, feed = tiny(monkeypatch, ema=0.6)
    history = []
    for step in range(4):
        modeler.train_step(feed.batch(0, step))
        history.append([v.numpy().astype(np.float64) for v in modeler.model.variables])
    return modeler, history


def test_averages_follow_the_weights_and_are_what_is_evaluated(averaging):
    modeler, history = averaging
    expected = [np.zeros_like(v) for v in history[0]]
    for update, values in enumerate(history):
        rest = max(0.4, 9 / (update + 9))
        expected = [m + rest * (v - m) for m, v in zip(expected, values, strict=True)]
    found = modeler.averages.model.variables
    for mean, wanted, last in zip(found, expected, history[-1], strict=True):
        assert np.allclose(mean.numpy(), wanted, rtol=1e-5, atol=1e-6)
        assert not np.allclose(wanted, last, rtol=1e-5, atol=1e-6)

    stored = {name: v.numpy() for name, v in modeler.variables().items()}
    assert {name for name in stored if name.startswith("ema/")} == {
        f"ema/net/{layer}/{name}" for layer in ("conv", "logits") for name in ("kernel", "bias")
    }
    feed = inputter("eval", 16)
    beside = modeler.for_mode("eval", feed)
    restored = ImageClassificationModeler(modeler.config, feed, "eval")
    restored.restore("a file", stored)
    assert beside.averaged
    assert restored.averaged
    plain = ImageClassificationModeler(modeler.config, feed, "eval", modeler.model)
    results = [evaluate(feed, each) for each in (beside, restored, plain)]
    assert results[0] == results[1]
    assert results[0].loss != results[2].loss


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "adam"}, r"modeler.optimizer = 'adam', found 'momentum'"),
        ({"ema": 0.9}, r"modeler.ema = 'on', found 'off'"),
        ({"accumulate": 2}, r"batch_size_per_gpu \* gpu_count = 32, found 16"),
    ],
)
def test_a_run_goes_on_only_with_the_slots_and_the_batch_it_began_with(
    monkeypatch, fields, message
):
    before = tiny(monkeypatch)[0].facts()
    after = tiny(monkeypatch, **fields)[0].facts()
    with pytest.raises(checkpoint.CheckpointError, match=message):
        checkpoint_fit.check_facts("a file", before, after)


def test_what_is_not_finite_is_looked_for_part_by_part(monkeypatch):
    modeler, feed = tiny(monkeypatch, batch=4, accumulate=3)
    batch = feed.batch(0, 0)
    assert batch.images.shape[0] == 12
    before = [variable.numpy() for variable in modeler.variables().values()]
    assert first_bad_tensor(modeler, batch) is None

    def with_a_bad_one(*arguments):
        images, labels = training_inputs(*arguments)
        return tf.tensor_scatter_nd_update(images, [[9]], [tf.fill(images.shape[1:], 3e38)]), labels

    training_inputs = modeler.training_inputs
    monkeypatch.setattr(modeler, "training_inputs", with_a_bad_one)
    found = first_bad_tensor(modeler, batch)
    assert found.name == "the output of layer conv"
    assert found.places == (9,)  # of the whole batch, in its third part
    assert found.size == 4 * math.prod(modeler.model.get_layer("conv").output.shape[1:])
    after = [variable.numpy() for variable in modeler.variables().values()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_layer_that_keeps_its_input_is_looked_at_too(monkeypatch):
    def net(num_classes, image_shape):
        image = keras.Input(image_shape, name="image")
        x, shortcut = Conv2D(3, 3, padding=1, keep_input=True, name="first")(image)
        x = keras.layers.Add(name="sum")([x, shortcut])
        x = keras.layers.Flatten(name="flat")(x)
        return keras.Model(image, keras.layers.Dense(num_classes, name="logits")(x))

    monkeypatch.setattr(tiny_modeler, "net", net)
    modeler, feed = tiny(monkeypatch, batch=4)
    kernel = modeler.model.get_layer("first").kernel
    kernel.assign(np.full(kernel.shape, 3e38, np.float32))
    assert first_bad_tensor(modeler, feed.batch(0, 0)).name == "the output of layer first"
