"""One training step of ResNet32, batch 128, beside Keras, tf.function, PyTorch and oneDNN alone."""

import dataclasses
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.host_time import python_ms
from benchmarks.images import batches_of, cifar
from benchmarks.interleave import PACES, Samples, System, interleave, is_quick, mode
from benchmarks.peers import keras_resnet32, onednn
from lambda_fast.augmenter.augment import augment, augment_numpy
from lambda_fast.config import Config
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.data.cifar10 import CLASS_NAMES
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.first_network import POLICIES, chosen_precision
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler

BATCH, IMAGES = 128, 4096
PARAMETERS = 464_154
LEARNING_RATE = 0.01
FIT_STEPS = 2 if is_quick() else 8
LATER = 20  # at most so many steps after timing until one has a lower loss than the first step had
SYSTEMS = ("lambda_fast", "keras_fit", "torch")
IN_FULL = () if is_quick() else ("tf_function", "torch_compiled", "onednn_alone")
PRECISIONS = [chosen_precision("auto")] if is_quick() else ["float32", "bfloat16"]
WORK = "train_step_resnet32"


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, str]:
    return cifar(IMAGES)


@pytest.fixture(scope="module")
def host_time(data: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    mean, median = python_ms(*data[:2], tmp_path_factory.mktemp("run"))
    return {"python_ms": mean, "python_ms_median": median}


@pytest.fixture(scope="module", params=PRECISIONS)
def train_samples(request: pytest.FixtureRequest, measure: Any, data: Any) -> tuple[str, dict]:
    precision = request.param
    images, labels, _ = data
    config = _config(precision)
    augmented = _augmented_beforehand(images, config)
    batches = (batches_of(augmented, BATCH), batches_of(labels, BATCH))
    net = partial(_network, precision)
    builders = {
        "lambda_fast": partial(_modeler, images, labels, config),
        "keras_fit": partial(
            _peer, "keras_fit", *batches, net, precision, LEARNING_RATE, FIT_STEPS
        ),
        "tf_function": partial(_peer, "tf_function", *batches, net, precision, LEARNING_RATE),
        "torch": partial(_peer, "torch_resnet32", *batches, precision, LEARNING_RATE, False),
        "torch_compiled": partial(
            _peer, "torch_resnet32", *batches, precision, LEARNING_RATE, True
        ),
    }
    learned = []
    checked = {name: partial(_checked, build, learned) for name, build in builders.items()}
    samples = measure(checked | {"onednn_alone": partial(onednn.train, BATCH, precision)})
    for system, first in learned:
        falls = any(system.step() < first for _ in range(LATER))
        assert falls, f"{system.name}: expected the loss to fall from {first}"
    return precision, samples


@pytest.mark.parametrize("system", SYSTEMS + IN_FULL)
def test_train_step_resnet32(
    train_samples: Any,
    system: str,
    data: Any,
    request: pytest.FixtureRequest,
    record: Callable[..., None],
):
    """Peers get batches augmented beforehand; lambda_fast gathers and augments in its step."""
    precision, samples = train_samples
    facts = {"batch": BATCH, "images": data[2]}
    if system == "lambda_fast" and not is_quick():
        facts |= request.getfixturevalue("host_time")
        facts |= _augmenter_share(data[0], _config(precision), samples[system])
    record(samples[system], WORK, precision, **facts)


def _config(precision: str) -> Config:
    config = recipe()
    modeler = dataclasses.replace(
        config.modeler,
        precision=precision,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        warmup_epochs=0.0,
    )
    return dataclasses.replace(config, batch_size_per_gpu=BATCH, modeler=modeler)


def _augmented_beforehand(images: np.ndarray, config: Config) -> np.ndarray:
    ids = np.arange(len(images), dtype=np.int64)
    return augment_numpy(images, ids, config.seed, 0, config.augmenter)


def _network(precision: str) -> keras.Model:
    """The same network from Keras' own layers."""
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(POLICIES[precision])
        keras.utils.set_random_seed(0)
        return keras_resnet32.net(len(CLASS_NAMES), (32, 32, 3))
    finally:
        keras.config.set_dtype_policy(policy)


def _modeler(images: np.ndarray, labels: np.ndarray, config: Config) -> System:
    """inputter.batch and modeler.train_step, as the runner calls them; the loss is read."""
    order = Order(samples=len(images), batch_size=BATCH, seed=0, shuffle=True, complete=False)
    inputter = InMemoryInputter(images, labels, CLASS_NAMES, order)
    modeler = ImageClassificationModeler(config, inputter, "train")
    steps = count()

    def step() -> float:
        epoch, index = divmod(next(steps), inputter.steps_per_epoch)
        return float(modeler.train_step(inputter.batch(epoch, index))["loss"])

    variables = modeler.model.trainable_variables
    return System(
        name="lambda_fast",
        step=step,
        images=BATCH,
        facts={
            "precision": config.modeler.precision,
            "parameters": sum(int(np.prod(variable.shape)) for variable in variables),
        },
    )


def _peer(module: str, *arguments: Any) -> System:
    return import_module(f"benchmarks.peers.{module}").train(*arguments)


def _checked(build: Callable[[], System], learned: list[tuple[System, float]]) -> System:
    """Before timing: the right number of parameters, a loss near ln 10; afterwards it must fall."""
    system = build()
    assert system.facts["parameters"] == PARAMETERS, system.facts
    first = system.step()
    assert 1.5 < first < 4.0, f"{system.name}: expected a loss about ln 10, found {first}"
    learned.append((system, first))
    return system


def _augmenter_share(images: np.ndarray, config: Config, step: Samples) -> dict[str, float]:
    """The augmenter alone, on a batch, beside the step that contains it."""
    pixels, ids = tf.constant(images[:BATCH]), tf.range(BATCH, dtype=tf.int64)
    seed = epoch = tf.constant(0, tf.int64)
    precision = config.modeler.precision
    alone = System(
        name="augment",
        step=lambda: augment(pixels, ids, seed, epoch, config.augmenter, precision),
        images=BATCH,
    )
    seconds = interleave([alone], PACES[mode()])[0].step_seconds
    return {"augment_ms": seconds * 1e3, "augment_share": seconds / step.step_seconds}
