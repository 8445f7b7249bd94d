"""Mixup and cutmix, pixels and labels against numpy."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from lambda_fast import native
from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.mixing import STREAM, mixed, symmetric_beta, window
from lambda_fast.modeler.objective import labels_of
from lambda_fast.modeler.philox import dice

BATCH, HEIGHT, WIDTH, CLASSES = 8, 12, 16, 5
SEED, EPOCH = -7, 3
IDS = np.array([5, 2**40 + 1, 0, 77, 123456789, 8, 9, 2**62], np.int64)
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(BATCH, HEIGHT, WIDTH, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 4, 0, 1, 2], np.int32)


def mix(ids=IDS, images=IMAGES, labels=LABELS, compiled=True, **fields):
    config = ModelerConfig(**fields)
    call = tf.function(mixed, jit_compile=True) if compiled else mixed
    epoch = tf.constant(EPOCH, tf.int64)
    outputs = call(
        tf.constant(images), tf.constant(labels), CLASSES, tf.constant(ids), epoch, SEED, config
    )
    return [output.numpy() for output in outputs]


def numbers(ids, stream):
    """The dice by the native Philox: float64 [batch, 4]."""
    blocks = [
        native.core().philox((*reference.words(int(i)), EPOCH, stream), reference.words(SEED))
        for i in ids
    ]
    return (np.array(blocks, np.uint64) >> np.uint64(8)).astype(np.float64) / 2**24


def beta(alpha, u, v):
    """Bailey's polar method, 1994, from Student's t."""
    n = 2 * alpha
    t = np.sqrt(n * (u ** (-2 / n) - 1)) * np.cos(2 * np.pi * v)
    return 0.5 + t / (2 * np.sqrt(n + t**2))


def test_the_dice_are_those_of_the_engine():
    found = dice(tf.constant(IDS), tf.constant(EPOCH, tf.int64), SEED, STREAM)
    assert np.array_equal(np.stack(found, 1), numbers(IDS, STREAM))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_follow_the_beta_distribution(alpha):
    u, v = np.random.default_rng(1).random((2, 40_000)).astype(np.float32)
    found = symmetric_beta(tf.constant(alpha), u, v).numpy().astype(np.float64)
    assert np.allclose(found, beta(alpha, u.astype(float), v.astype(float)), atol=1e-4)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.mean() == pytest.approx(0.5, abs=0.01)
    assert found.var() == pytest.approx(0.25 / (2 * alpha + 1), rel=0.02)
    fourth = 3 * 0.25**2 / ((2 * alpha + 1) * (2 * alpha + 3))  # central moment
    assert ((found - 0.5) ** 4).mean() == pytest.approx(fourth, rel=0.04)
    ends = symmetric_beta(tf.constant(0.2), tf.constant([0.0, 0.0]), tf.constant([0.0, 0.5]))
    assert ends.numpy().tolist() == [1, 0]


def one_hot(smoothing):
    return np.eye(CLASSES)[LABELS] * (1 - smoothing) + smoothing / CLASSES


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixup_blends_with_the_mirrored_batch(smoothing):
    images, targets = mix(mixup=0.4, label_smoothing=smoothing)
    _, _, u, v = numbers(IDS, STREAM).T
    share = beta(0.4, u, v)
    pixels = share[:, None, None, None] * IMAGES + (1 - share)[:, None, None, None] * IMAGES[::-1]
    assert np.allclose(images, pixels, atol=1e-5)
    plain = one_hot(smoothing)
    expected = share[:, None] * plain + (1 - share)[:, None] * plain[::-1]
    assert np.allclose(targets, expected, atol=1e-5)
    dominant = np.where(share > 0.5, LABELS, LABELS[::-1])
    assert np.array_equal(labels_of(tf.constant(targets)), dominant)


def cut_window(share, y, x):
    inside = np.zeros((HEIGHT, WIDTH), bool)
    half = [int(np.sqrt(1 - share) * extent) // 2 for extent in (HEIGHT, WIDTH)]
    row, column = int(y * HEIGHT), int(x * WIDTH)
    inside[max(0, row - half[0]) : row + half[0], max(0, column - half[1]) : column + half[1]] = (
        True
    )
    return inside


def test_cutmix_pastes_a_window_and_counts_its_pixels():
    images, targets = mix(cutmix=1.0)
    first, second = numbers(IDS, STREAM), numbers(IDS, STREAM + 1)
    areas = []
    for i in range(BATCH):
        inside = cut_window(beta(1.0, *first[i, 2:]), *second[i, :2])
        expected = np.where(inside[..., None], IMAGES[::-1][i], IMAGES[i])
        assert np.array_equal(images[i], expected)
        areas.append(inside.mean())
        plain = one_hot(0.0)
        assert np.allclose(targets[i], (1 - areas[i]) * plain[i] + areas[i] * plain[::-1][i])
    assert max(areas) > 0.2 > min(areas)


def test_a_window_of_everything_covers_even_images_and_one_of_nothing_none():
    middle = tf.constant([0.5, 0.5])
    found = window(tf.constant([0.0, 1.0]), middle, middle, (HEIGHT, WIDTH)).numpy()
    assert found[0].all()
    assert not found[1].any()


def test_each_sample_is_mixed_its_own_way_or_not_at_all():
    ids = np.arange(400, dtype=np.int64)
    images = np.broadcast_to(np.linspace(-1, 1, 400)[:, None, None, None], (400, 4, 4, 1))
    labels = np.tile(LABELS, 50)
    fields = {"mixup": 1.0, "cutmix": 1.0, "mix_probability": 0.5, "mix_switch": 0.25}
    images = images.astype(np.float32)
    found, targets = mix(ids, images, labels, compiled=False, **fields)
    chance, switch, _, _ = numbers(ids, STREAM).T
    untouched = chance >= 0.5
    assert np.array_equal(found[untouched], images[untouched])
    assert np.array_equal(targets[untouched], np.eye(CLASSES)[labels][untouched])
    up = ~untouched & (switch >= 0.25)
    constant = np.ptp(found, axis=(1, 2, 3)) == 0
    assert constant[up].all()
    assert np.isin(found[~up], images).all()  # pixels of the one or of the other
    assert 0.5 < up.sum() / (~untouched).sum() < 0.95
    # In bfloat16, and with the batch in another order, each sample's share stays what it was.
    order = np.arange(400)[::-1]
    again, _ = mix(ids[order], images[order], labels[order], compiled=False, **fields)
    assert np.array_equal(again[order], found)
