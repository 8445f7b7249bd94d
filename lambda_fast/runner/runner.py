"""The runner: the loop over steps, and the four hooks around it.

first weights                   of a fresh run
before_run                      restore, open files
for each step:
    before_step
    batch = inputter.batch(epoch, step)
    modeler.train_step(batch)   one XLA program
    after_step                  log, save, show
after_run                       save, evaluate; not after an error
close                           always
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

from lambda_fast import assembly
from lambda_fast.build import find
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config
from lambda_fast.inputter import Inputter
from lambda_fast.runner import first_weights
from lambda_fast.runner.callbacks import callbacks_of
from lambda_fast.runner.nonfinite import Nonfinite


class Runner:
    """Drives one device.

    Args:
        config: the run.
        inputter: of the training images.
        modeler: in train mode.
        callbacks: in the order in which their hooks are called.
    """

    def __init__(
        self, config: Config, inputter: Inputter, modeler: Any, callbacks: Sequence[Callback]
    ) -> None:
        self._callbacks = [Nonfinite(), *callbacks]
        self._run = Run(
            config=config,
            inputter=inputter,
            modeler=modeler,
            model_dir=config.model_path(),
            total_steps=total_steps(config, inputter),
        )

    def run(self) -> Run:
        """Trains to the last step, or until SIGINT or SIGTERM.

        After a signal the step at hand is finished and saved.

        Returns:
            The run, with its metrics; `stopping` names the signal that ended it early.
        """
        run = self._run
        with contextlib.ExitStack() as closing:
            closing.callback(run.inputter.close)
            for callback in reversed(self._callbacks):
                closing.callback(callback.close)
            with _Signals(run):
                first_weights.prepare(run, self._callbacks)
                for callback in self._callbacks:
                    callback.before_run(run)
                while self._goes_on(run):
                    self._step(run)
                for callback in self._callbacks:
                    callback.after_run(run)
        return run

    def _goes_on(self, run: Run) -> bool:
        return run.step < run.total_steps and run.stopping is None

    def _step(self, run: Run) -> None:
        for callback in self._callbacks:
            callback.before_step(run)
        run.tell("input")
        begin = time.perf_counter()
        epoch, index = divmod(run.step, run.inputter.steps_per_epoch)
        batch = run.inputter.batch(epoch, index)
        waited = time.perf_counter() - begin
        run.tell("compile" if run.step == run.first_step else "step")
        outputs = run.modeler.train_step(batch)
        run.step += 1
        seconds = time.perf_counter() - begin
        images = batch.count * run.config.gpu_count
        report = StepReport(run.step, epoch, outputs, images, seconds, waited, batch)
        for callback in self._callbacks:
            callback.after_step(run, report)


class _Signals:
    """Turns the first SIGINT or SIGTERM into a polite end; a second one has its usual effect."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._stop)

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _stop(self, number: int, _: object) -> None:
        self._restore()
        self._run.stopping = signal.Signals(number).name
        self._run.say(f"{self._run.stopping}: ends after this step. Once more to end at once")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()


def total_steps(config: Config, inputter: Inputter) -> int:
    """Steps of the whole run."""
    steps = config.epochs * inputter.steps_per_epoch
    return steps if config.max_step is None else min(steps, config.max_step)


@assembly.runner
def build(config: Config) -> Runner:
    """The runner of a recipe, with its inputter, modeler and callbacks.

    Raises:
        ConfigError: a name or a value that does not fit.
        DataError: the data cannot be had.
    """
    # All names first: an unknown one must not wait for the data.
    build_inputter = find("inputter", config.inputter.name)
    build_modeler = find("modeler", config.modeler.name)
    find("network", config.modeler.network, "net")
    callbacks = callbacks_of(config, "train")
    inputter = build_inputter(config, "train")
    modeler = build_modeler(config, inputter, "train", first_weights=False)
    return Runner(modeler.config, inputter, modeler, callbacks)
