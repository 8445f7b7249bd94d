"""Python's share of a training step: the runner's loop with all default callbacks.

It is the time of a step less the time inside TensorFlow's runtime, whose own dispatch of a program
with so many variables is not Python's. The network has as many variables as ResNet32, because each
is handed over at each step, and next to no arithmetic.
"""

import contextlib
import dataclasses
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from tensorflow.python import pywrap_tfe

from lambda_fast.build import find
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.data.cifar10 import CLASS_NAMES
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.runner.runner import Runner

FIRST, LAST = 200, 1000  # steps between which is measured: whole periods of every callback
TRAINABLE, STATISTICS = 95, 62  # variables of ResNet32


class Clock(Callback):
    """Reads the clock after each step, and ends the run."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._inside = 0.0

    def after_step(self, run: Run, report: StepReport) -> None:
        """Notes the time, that inside the runtime left out."""
        self.times.append(time.perf_counter() - self._inside)
        if run.step == LAST:
            run.stopping = "measured"

    @contextlib.contextmanager
    def watching_the_runtime(self) -> Iterator[None]:
        """Times the one function through which Python runs compiled programs."""
        run_program = pywrap_tfe.TFE_Py_Execute

        def timed(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return run_program(*arguments)
            finally:
                self._inside += time.perf_counter() - begin

        pywrap_tfe.TFE_Py_Execute = timed
        try:
            yield
        finally:
            pywrap_tfe.TFE_Py_Execute = run_program


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
    with contextlib.redirect_stdout(io.StringIO()), clock.watching_the_runtime():
        Runner(config, inputter, modeler, [*callbacks, clock]).run()
    steps = np.diff(clock.times[FIRST - 1 : LAST]) * 1e3
    return float(steps.mean()), float(np.median(steps))


class Ballast(layers.Layer):
    """Scalar variables, used and updated at each step as weights and statistics are."""

    def build(self, _: tuple[int, ...]) -> None:
        """Makes all variables but the two of the last layer."""
        self.scalars = [self.add_weight(shape=()) for _ in range(TRAINABLE - 2)]
        self.statistics = [self.add_weight(shape=(), trainable=False) for _ in range(STATISTICS)]

    def call(self, x: Any) -> Any:
        """Adds the sum of the scalars."""
        for value in self.statistics:
            value.assign(0.9 * value)
        return x + sum(1.0 * value for value in self.scalars)


def _network() -> keras.Model:
    image = keras.Input((32, 32, 3))
    pooled = layers.GlobalAveragePooling2D()(image)
    return keras.Model(image, layers.Dense(len(CLASS_NAMES))(Ballast()(pooled)))
