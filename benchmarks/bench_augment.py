"""The augmenter beside tf.data, Keras' layers and DALI, on the CPU."""

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.bandwidth import copy_bandwidth
from benchmarks.images import batches_of, cifar, cycle, photographs
from benchmarks.interleave import PREFETCHED, Samples, System, is_quick
from benchmarks.steps_of import steps_of
from lambda_fast.augmenter.augment import augment
from lambda_fast.augmenter.spec import AugmentSpec

CIFAR_IMAGES = 16_384  # 50 MB: more than the last cache holds
CIFAR_BYTES = 32 * 32 * 3 * (1 + 4)  # an image that must move: uint8 in, float32 out
PHOTOGRAPHS = 192
PHOTOGRAPHS_BATCH = 16 if is_quick() else 64
CIFAR_BATCHES = [128] if is_quick() else [128, 1024]
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, in 0..255

CIFAR = AugmentSpec(
    pad=4, crop="random", flip=0.5, brightness=63.0, contrast=(0.2, 1.8), normalize="image"
)
IMAGENET = AugmentSpec(
    height=224,
    width=224,
    crop="random_resized",
    flip=0.5,
    normalize="channels",
    mean=MEAN,
    std=STD,
)
SYSTEMS = ("lambda_fast", "tf.data", "dali")
if not is_quick():
    SYSTEMS += ("lambda_fast+tf.data", "tf.data_batched", "keras")


@pytest.fixture(scope="module", params=CIFAR_BATCHES, ids="batch{}".format)
def cifar_samples(request: pytest.FixtureRequest, measure: Any) -> tuple[int, dict, dict]:
    batch = request.param
    images, _, source = cifar(CIFAR_IMAGES)
    builders = _builders(images, batch, CIFAR, "augment_cifar")
    before = copy_bandwidth(_threads())
    samples = measure({name: partial(_checked_cifar, build) for name, build in builders.items()})
    bandwidth = max(before, copy_bandwidth(_threads()))
    return batch, samples, {"images": source, "threads": _threads(), "memory_bandwidth": bandwidth}


@pytest.mark.parametrize("system", SYSTEMS)
def test_augment_cifar(cifar_samples: Any, system: str, record: Callable[..., None]):
    """Pad 4, random crop, flip, brightness 63, contrast 0.2..1.8, per-image standardisation."""
    batch, samples, facts = cifar_samples
    found = samples[system]
    if isinstance(found, Samples):
        moved = found.images_per_second * CIFAR_BYTES
        facts = facts | {"bandwidth_share": moved / facts["memory_bandwidth"]}
    record(found, "augment_cifar", f"batch {batch}", **facts)


@pytest.fixture(scope="module")
def imagenet_samples(measure: Any) -> tuple[dict, dict]:
    images, source = photographs(PHOTOGRAPHS)
    builders = _builders(
        images, PHOTOGRAPHS_BATCH, IMAGENET, "augment_imagenet", mean=MEAN, std=STD
    )
    samples = measure({name: partial(_checked_imagenet, build) for name, build in builders.items()})
    return samples, {"images": source}


@pytest.mark.parametrize("system", SYSTEMS)
def test_augment_imagenet(imagenet_samples: Any, system: str, record: Callable[..., None]):
    """Random resized crop of decoded 500x375 photographs to 224, flip, normalisation."""
    samples, facts = imagenet_samples
    record(samples[system], "augment_imagenet", f"batch {PHOTOGRAPHS_BATCH}", **facts)


def _threads() -> int:
    return len(os.sched_getaffinity(0))


def _builders(
    images: np.ndarray, batch: int, spec: AugmentSpec, work: str, **arguments: Any
) -> dict[str, Callable[[], System]]:
    def peer(module: str, function: str) -> System:
        build = getattr(import_module(f"benchmarks.peers.{module}"), function)
        return build(images, batch, **arguments)

    return {
        "lambda_fast": partial(_op, images, batch, spec),
        "lambda_fast+tf.data": partial(_op_in_tf_data, images, batch, spec),
        "tf.data": partial(peer, "tf_data", work),
        "tf.data_batched": partial(peer, "tf_data", f"{work}_batched"),
        "keras": partial(peer, "keras_layers", work),
        "dali": partial(peer, "dali", work),
    }


def _ids(images: np.ndarray, batch: int) -> np.ndarray:
    return batches_of(np.arange(len(images), dtype=np.int64), batch)


def _op(images: np.ndarray, batch: int, spec: AugmentSpec) -> System:
    """The op as it is called eagerly, on batches that are tensors already."""
    pairs = zip(batches_of(images, batch), _ids(images, batch), strict=True)
    batches = cycle([(tf.constant(pixels), tf.constant(ids)) for pixels, ids in pairs])
    seed = epoch = tf.constant(0, tf.int64)

    def step() -> tf.Tensor:
        pixels, ids = next(batches)
        return augment(pixels, ids, seed, epoch, spec)

    return System(name="lambda_fast", step=step, images=batch, facts={"how": "the op, eager"})


def _op_in_tf_data(images: np.ndarray, batch: int, spec: AugmentSpec) -> System:
    """The op in the pipeline of the peers: one map replaced."""
    pairs = (batches_of(images, batch), _ids(images, batch))
    batches = tf.data.Dataset.from_tensor_slices(pairs).repeat()
    augmented = batches.map(
        lambda pixels, ids: augment(pixels, ids, 0, 0, spec), num_parallel_calls=tf.data.AUTOTUNE
    )
    steps = steps_of(augmented.prefetch(2))
    return System(
        name="lambda_fast+tf.data",
        step=lambda: next(steps),
        images=batch,
        prefetched=PREFETCHED,
        facts={"how": "the op in a tf.data map"},
    )


def _checked_cifar(build: Callable[[], System]) -> System:
    system = build()
    found = _array(system, (32, 32, 3))
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0.0, atol=1e-3)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 1.0, atol=1e-2)
    assert np.abs(found).max() > 1.5
    return system


def _checked_imagenet(build: Callable[[], System]) -> System:
    system = build()
    found = _array(system, (224, 224, 3))
    pixels = found * np.float32(STD) + np.float32(MEAN)
    assert -1.0 < pixels.min() < 30.0 and 225.0 < pixels.max() < 256.0
    assert 60.0 < pixels.mean() < 190.0 and pixels.std() > 30.0
    assert np.abs(np.diff(pixels, axis=2)).mean() < 30.0  # neighbours are alike, as in a photograph
    return system


def _array(system: System, shape: tuple[int, int, int]) -> np.ndarray:
    found = system.as_array(system.step())
    assert found.shape == (system.images, *shape) and found.dtype == np.float32
    assert np.isfinite(found).all()
    again = system.as_array(system.step())
    assert not np.array_equal(found, again), "expected another batch"
    return found
