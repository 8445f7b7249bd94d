"""The host's time of one training step: the runner's loop with all default callbacks.

The network is trivially small but has about as many variables as ResNet32, because every variable
is handed to the compiled program at each step. With one image a batch next to nothing is left to
compute, so the time of a step is that of Python, of TensorFlow's dispatch and of the callbacks;
what little the program itself takes is counted too.
"""

import contextlib
import dataclasses
import io
import statistics
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

from lambda_fast.build import find
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.data.cifar10 import CLASS_NAMES
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.runner.runner import Runner

FIRST, LAST = 200, 1000  # steps between which is measured: whole periods of every callback
LAYERS = 31  # of three trainable variables each, beside the last one's two: ResNet32 has 95


class Clock(Callback):
    """Reads the clock after each step, and ends the run."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def after_step(self, run: Run, report: StepReport) -> None:
        """Notes the time."""
        self.times.append(time.perf_counter())
        if run.step == LAST:
            run.stopping = "measured"


def python_ms(images: np.ndarray, labels: np.ndarray, folder: Path) -> tuple[float, float]:
    """Milliseconds a step.

    Args:
        images: uint8 [samples, 32, 32, 3], more than `LAST`.
        labels: int32 [samples].
        folder: where the callbacks write.

    Returns:
        The mean, which holds logging and summaries, and the median, a step without them.
    """
    config = dataclasses.replace(recipe(), batch_size_per_gpu=1, model_dir=str(folder))
    order = Order(samples=len(images), batch_size=1, seed=0, shuffle=True, complete=False)
    inputter = InMemoryInputter(images, labels, CLASS_NAMES, order)
    modeler = ImageClassificationModeler(config, inputter, "train", _network())
    clock = Clock()
    callbacks = [find("callback", name)(config) for name in config.callback.names]
    with contextlib.redirect_stdout(io.StringIO()):
        Runner(config, inputter, modeler, [*callbacks, clock]).run()
    steps = np.diff(clock.times[FIRST - 1 : LAST]) * 1e3
    return float(steps.mean()), statistics.median(steps)


def _network() -> keras.Model:
    image = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(image)
    for _ in range(LAYERS):
        x = layers.BatchNormalization()(layers.Dense(4, use_bias=False)(x))
    return keras.Model(image, layers.Dense(len(CLASS_NAMES))(x))
