"""One training step of ResNet50 at 224 x 224, batch 16, beside Keras; 4 in quick mode."""

import dataclasses
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks.images import batches_of
from benchmarks.interleave import System, is_quick
from benchmarks.peers import keras_fit
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, ModelerConfig
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.first_network import POLICIES, chosen_precision
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler

BATCH = 4 if is_quick() else 16
IMAGES, CLASSES, SIZE = 64, 1000, 224
LEARNING_RATE = 0.001  # so low that the loss stays about where it begins
FIT_STEPS = 2  # each takes so long that entering `fit` does not count
PRECISIONS = [chosen_precision("auto")] if is_quick() else ["float32", "bfloat16"]
WORK = "train_step_resnet50"
PARAMETERS = {"lambda_fast": 25_557_032, "keras_fit": 25_583_592}  # Keras' has biases
CONFIG = Config(
    name="resnet50",
    batch_size_per_gpu=BATCH,
    augmenter=AugmentSpec(flip=0.5, normalize="channels"),
    modeler=ModelerConfig(
        network="resnet50",
        learning_rate=LEARNING_RATE,
        schedule="constant",
    ),
)


@pytest.fixture(scope="module", params=PRECISIONS)
def samples(request: pytest.FixtureRequest, measure: Any) -> tuple[str, dict]:
    precision = request.param
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, IMAGES, dtype=np.int32)
    ids = np.arange(IMAGES, dtype=np.int64)
    batches = (
        batches_of(augment_numpy(images, ids, 0, 0, CONFIG.augmenter), BATCH),
        batches_of(labels, BATCH),
    )
    keras_net = partial(_keras, precision)
    return precision, measure(
        {
            "lambda_fast": partial(_checked, partial(_modeler, images, labels, precision)),
            "keras_fit": partial(
                _checked,
                partial(keras_fit.train, *batches, keras_net, precision, LEARNING_RATE, FIT_STEPS),
            ),
        }
    )


@pytest.mark.parametrize("system", ["lambda_fast", "keras_fit"])
def test_train_step_resnet50(samples: Any, system: str, record: Callable[..., None]):
    """Keras gets a batch that is augmented beforehand; lambda_fast gathers and augments."""
    precision, measured = samples
    record(measured[system], WORK, f"{precision}, batch {BATCH}", batch=BATCH, images="noise")


def _checked(build: Callable[[], System]) -> System:
    """Before timing: the right number of parameters, a loss near ln 1000 = 6.9."""
    system = build()
    assert system.facts["parameters"] == PARAMETERS[system.name], system.facts
    first = system.step()
    assert 5.0 < first < 10.0, f"{system.name}: expected a loss about 7, found {first}"
    return system


def _keras(precision: str) -> keras.Model:
    """keras.applications' network: convolutions with biases, strides on the 1 x 1 ones."""
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(POLICIES[precision])
        keras.utils.set_random_seed(0)
        return keras.applications.ResNet50(
            weights=None,
            input_shape=(SIZE, SIZE, 3),
            classes=CLASSES,
            classifier_activation=None,
        )
    finally:
        keras.config.set_dtype_policy(policy)


def _modeler(images: np.ndarray, labels: np.ndarray, precision: str) -> System:
    modeler_config = dataclasses.replace(CONFIG.modeler, precision=precision)
    config = dataclasses.replace(CONFIG, modeler=modeler_config)
    order = Order(samples=IMAGES, batch_size=BATCH, seed=0, shuffle=True, complete=False)
    names = tuple(str(label) for label in range(CLASSES))
    inputter = InMemoryInputter(images, labels, names, order)
    modeler = ImageClassificationModeler(config, inputter, "train")
    steps = count()

    def step() -> float:
        epoch, index = divmod(next(steps), inputter.steps_per_epoch)
        return float(modeler.train_step(inputter.batch(epoch, index))["loss"])

    variables = modeler.model.trainable_variables
    parameters = sum(int(np.prod(variable.shape)) for variable in variables)
    return System(
        name="lambda_fast",
        step=step,
        images=BATCH,
        facts={"precision": precision, "parameters": parameters},
    )
