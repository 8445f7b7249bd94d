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

import tensorflow as tf

from lambda_fast import assembly, native
from lambda_fast.bottleneck.bottleneck import Bottleneck
from lambda_fast.bottleneck.stage_clock import StageClock
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
        self._clock = StageClock()
        self._callbacks = [Nonfinite(), *callbacks]
        if config.runner.bottleneck:
            self._callbacks.append(Bottleneck(self._clock))
        # A GPU works on while the host goes ahead; a CPU's step is done when its call returns.
        self._goes_ahead = bool(tf.config.list_physical_devices("GPU"))
        self._is_idle = False  # the device, before the next step
        self._summed = 0.0  # seconds of sums over ranks
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
        self._each("before_step", run)
        run.tell("input")
        begin = time.perf_counter()
        epoch, index = divmod(run.step, run.inputter.steps_per_epoch)
        batch = run.inputter.batch(epoch, index)
        had_batch = time.perf_counter()
        run.tell("compile" if run.step == run.first_step else "step")
        # A GPU's sums may be done, and known, long after the call of their step.
        summed = self._summed if self._goes_ahead else native.core().collective_seconds()
        outputs = run.modeler.train_step(batch)
        self._summed = native.core().collective_seconds()
        end = time.perf_counter()
        run.step += 1
        self._clock.step(
            begin,
            had_batch,
            end,
            handover=batch.handover_seconds,
            collective=self._summed - summed,
            paused=run.paused_seconds,
        )
        if self._goes_ahead and run.config.runner.bottleneck:
            self._wait_sometimes(run, had_batch)
        report = StepReport(
            step=run.step,
            epoch=epoch,
            outputs=outputs,
            images=batch.count * run.config.gpu_count,
            seconds=end - begin,
            input_seconds=had_batch - begin - batch.handover_seconds,
            batch=batch,
        )
        self._each("after_step", run, report)

    def _each(self, hook: str, *arguments: Any) -> None:
        """Calls a hook of all callbacks, and counts their time."""
        run, begin = self._run, time.perf_counter()
        for callback in self._callbacks:
            paused = run.paused_seconds
            getattr(callback, hook)(*arguments)
            end = time.perf_counter()
            self._clock.callbacks[callback.name] += end - begin - (run.paused_seconds - paused)
            begin = end

    def _wait_sometimes(self, run: Run, called: float) -> None:
        """Waits where callbacks will read the device anyway, and for the step after that.

        The latter begins on an idle device, and so tells how long a step takes there.
        """
        was_idle, self._is_idle = self._is_idle, run.is_log_step()
        was_idle = was_idle and self._clock.wants_device
        if was_idle or self._is_idle:
            begin = time.perf_counter()
            run.modeler.step()
            end = time.perf_counter()
            self._clock.waited(end - begin, end - called if was_idle else None)


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
    modeler = build_modeler(config, inputter, "train")
    return Runner(modeler.config, inputter, modeler, callbacks)
