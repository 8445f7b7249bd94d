"""The modeler: what a step computes, and that it is one XLA program."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.build import recipe
from lambda_fast.config import ConfigError
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler import first_network
from lambda_fast.modeler.evaluated import evaluated
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network import resnet32
from lambda_fast.network.layers import Conv2D, has_native_kernels

CLASSES = 10


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(resnet32, "BLOCKS_PER_STAGE", 1)


def config(**modeler):
    base = recipe("cifar10")
    return dataclasses.replace(
        base,
        batch_size_per_gpu=16,
        modeler=dataclasses.replace(base.modeler, **({"precision": "float32"} | modeler)),
    )


def inputter(mode="train"):
    data = tiny_run.tiny_load(mode)
    order = Order(
        samples=len(data.images),
        batch_size=16,
        seed=0,
        shuffle=mode == "train",
        complete=mode != "train",
    )
    return InMemoryInputter(data.images, data.labels, data.class_names, order)


def test_resnet32_has_the_parameters_of_the_paper():
    model = resnet32.net(CLASSES, (32, 32, 3))
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 464_154
    assert len([layer for layer in model.layers if isinstance(layer, Conv2D)]) == 31
    assert model.output_shape == (None, CLASSES)


def test_the_step_is_one_module_that_holds_our_custom_call(small):
    feed = inputter()
    modeler = ImageClassificationModeler(config(), feed, "train")
    hlo = modeler.train_program_hlo(feed.batch(0, 0))
    assert hlo.count("HloModule") == 1
    assert hlo.count('custom_call_target="lf_augment"') == 1
    if has_native_kernels():
        # One block in each of three stages: 7 convolutions; the first has no gradient of its input.
        targets = re.findall(r'custom_call_target="(lf_\w+)"', hlo)
        assert targets.count("lf_conv2d") == targets.count("lf_conv2d_backprop_filter") == 7
        # The first of each block adds the gradient of the shortcut.
        assert targets.count("lf_conv2d_backprop_input") == 3
        assert targets.count("lf_conv2d_backprop_input_add") == 3
        assert targets.count("lf_batch_norm") == targets.count("lf_batch_norm_grad") == 7
        assert "convolution(" not in hlo
        assert "transpose(" not in hlo
    # The updated variables are results of the same module.
    kernel = modeler.model.get_layer("stem_conv").kernel
    assert hlo.splitlines()[0].count("f32[" + ",".join(map(str, kernel.shape)) + "]") >= 2


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_step_equals_the_same_step_written_by_hand(small, smoothing):
    """Against plain TensorFlow without XLA: augment, cross-entropy, L2, Nesterov momentum."""
    settings = config(
        learning_rate=0.1,
        weight_decay=0.01,
        label_smoothing=smoothing,
        warmup_epochs=0.0,
        schedule="constant",
    )
    feed = inputter()
    modeler = ImageClassificationModeler(settings, feed, "train")
    variables = modeler.model.trainable_variables
    weights = [v.numpy().astype(np.float64) for v in variables]
    velocity = [np.zeros_like(w) for w in weights]
    twin = ImageClassificationModeler(settings, feed, "train").model

    for step in range(2):
        batch = feed.batch(0, step)
        for mine, value in zip(twin.trainable_variables, weights, strict=True):
            mine.assign(value.astype(np.float32))
        images = augment_numpy(
            batch.images.numpy(), batch.sample_ids.numpy(), 0, 0, settings.augmenter
        )
        with tf.GradientTape() as tape:
            logits = twin(images, training=True)
            targets = np.full((16, CLASSES), smoothing / CLASSES, np.float32)
            targets[np.arange(16), batch.labels.numpy()] += 1 - smoothing
            loss = -tf.reduce_mean(tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=1))
        grads = tape.gradient(loss, [v.value for v in twin.trainable_variables])
        outputs = modeler.train_step(batch)
        assert float(outputs["loss"]) == pytest.approx(float(loss), rel=1e-4)
        assert float(outputs["learning_rate"]) == pytest.approx(0.1)
        for i, grad in enumerate(grads):
            slope = grad.numpy().astype(np.float64) + (
                0.01 * weights[i] if weights[i].ndim > 1 else 0
            )
            velocity[i] = 0.9 * velocity[i] - 0.1 * slope
            weights[i] = weights[i] + 0.9 * velocity[i] - 0.1 * slope
            # Rounding grows in the second step, where it moves some pixels across a ReLU's kink.
            error = np.abs(variables[i].numpy() - weights[i]).max()
            scale = np.abs(0.1 * slope).max() + 1e-3
            assert error < (1e-3, 5e-2)[step] * scale, variables[i].path
    assert modeler.step() == 2


def test_auto_takes_bfloat16_where_the_cpu_is_fast_at_it(small, monkeypatch):
    for fast, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(first_network, "has_fast_bfloat16", lambda fast=fast: fast)
        monkeypatch.setattr(first_network, "has_native_kernels", lambda: True)
        modeler = ImageClassificationModeler(config(precision="auto"), inputter(), "train")
        assert modeler.config.modeler.precision == expected
        assert modeler.model.get_layer("stem_conv").compute_dtype == expected


def test_bfloat16_computes_in_bfloat16_and_keeps_float32(small):
    feed = inputter()
    modeler = ImageClassificationModeler(config(precision="bfloat16"), feed, "train")
    assert keras.config.dtype_policy().name == "float32"
    assert {v.dtype for v in modeler.model.trainable_variables} == {"float32"}
    hlo = modeler.train_program_hlo(feed.batch(0, 0), "hlo")
    assert "bf16[16,32,32,3]" in hlo
    losses = [float(modeler.train_step(feed.batch(0, 0))["loss"]) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert np.isfinite(losses).all()


def test_the_first_weights_depend_on_the_seed_alone(small):
    def weights(seed):
        chosen = dataclasses.replace(config(), seed=seed)
        return ImageClassificationModeler(chosen, inputter(), "train").model.get_weights()

    np.random.rand()
    first = weights(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, weights(1), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, weights(2), strict=True))


def test_eval_counts_padding_for_nothing(small):
    train = ImageClassificationModeler(config(), inputter(), "train")
    feed = inputter("eval")
    modeler = train.for_mode("eval", feed)
    from lambda_fast.runner.evaluate import evaluate

    result = evaluate(feed, modeler)
    data = tiny_run.tiny_load("eval")
    plain = augment_numpy(
        data.images, np.arange(len(data.images)), 0, 0, config().augmenter.without_dice()
    )
    logits = train.model(plain, training=False).numpy().astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_likelihood = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = np.arange(len(data.labels))
    assert result.images == 43
    assert result.loss == pytest.approx(-log_likelihood[rows, data.labels].mean(), rel=1e-4)
    assert result.accuracy == pytest.approx((logits.argmax(axis=1) == data.labels).mean())


def test_five_likeliest_classes_count_where_there_are_more():
    rows = [[9, 8, 7, 6, 5, 4, 3], [9, 8, 7, 6, 5, 4, 3], [9, 9, 9, 9, 9, 9, 9], [np.nan] * 7]
    logits = tf.constant(rows, tf.float32)
    found = evaluated(logits, tf.constant([4, 5, 6, 0]), tf.constant([1.0, 1.0, 1.0, 1.0]))
    assert float(found["top_5_accuracy"]) == 2  # the fifth, and one of equals; no number is none
    assert float(found["accuracy"]) == 0 + float(found["classes"][3] == 0)
    padded = evaluated(logits[:2], tf.constant([0, 0]), tf.constant([1.0, 0.0]))
    assert float(padded["top_5_accuracy"]) == float(padded["accuracy"]) == 1
    assert "top_5_accuracy" not in evaluated(logits[:1, :5], tf.constant([0]), tf.constant([1.0]))


def test_infer_gives_classes_and_probabilities(small):
    feed = inputter("eval")
    modeler = ImageClassificationModeler(config(), feed, "infer")
    outputs = modeler.forward_step(feed.batch(0, 0))
    assert outputs["probabilities"].shape == (16, CLASSES)
    assert np.allclose(outputs["probabilities"].numpy().sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(outputs["classes"], outputs["probabilities"].numpy().argmax(axis=1))


def test_an_augmentation_that_does_not_fit_the_images_is_refused_early():
    base = config()
    wide = dataclasses.replace(base, augmenter=dataclasses.replace(base.augmenter, width=80))
    with pytest.raises(ConfigError, match="expected a crop of at most 40x40"):
        ImageClassificationModeler(wide, inputter(), "train")
