"""The forward runner: one pass over the images without an update, for eval, infer and export.

before_run                      the first callback restores
for each batch, in order, every image once (in export none):
    before_step
    modeler.forward_step(batch)
    after_step
after_run                       from the last callback to the first, which has the last word
close                           always
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lambda_fast.build import find
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.checkpoint import Checkpoint
from lambda_fast.config import Config, ConfigError
from lambda_fast.inputter import Inputter
from lambda_fast.runner.callbacks import callbacks_of


class ForwardRunner:
    """Drives one device.

    Args:
        run: with the checkpoint to restore.
        callbacks: in the order in which their hooks are called.
    """

    def __init__(self, run: Run, callbacks: Sequence[Callback]) -> None:
        self._run = run
        self._callbacks = callbacks

    def run(self) -> Run:
        """Restores and makes the pass.

        Raises:
            ConfigError: no callback restored the checkpoint; random weights are never used.
        """
        run = self._run
        with contextlib.ExitStack() as closing:
            for callback in reversed(self._callbacks):
                closing.callback(callback.close)
            for callback in self._callbacks:
                callback.before_run(run)
            if not run.restored:
                raise ConfigError(
                    "[callback] expected one that restores the checkpoint (eval_basic, "
                    "infer_basic, export_basic), found none"
                )
            one_pass(run, self._callbacks)
        return run


def one_pass(run: Run, callbacks: Sequence[Callback]) -> None:
    """Shows all images to the modeler, and each step and the end to the callbacks."""
    for step in range(run.total_steps):
        for callback in callbacks:
            callback.before_step(run)
        begin = time.perf_counter()
        batch = run.inputter.batch(0, step)
        waited = time.perf_counter() - begin
        outputs = run.modeler.forward_step(batch)
        seconds = time.perf_counter() - begin
        run.step += 1
        run.images += batch.count
        report = StepReport(run.step, 0, outputs, batch.count, seconds, waited, batch)
        for callback in callbacks:
            callback.after_step(run, report)
    for callback in reversed(callbacks):
        callback.after_run(run)


def forward_runner(
    config: Config,
    mode: str,
    inputter: Inputter,
    source: tuple[Path, Checkpoint],
    say: Callable[[str], None],
) -> ForwardRunner:
    """The runner of a mode, with its modeler and callbacks.

    Args:
        config: its `callback.<mode>_names` are the callbacks.
        mode: eval, infer or export.
        inputter: of the images.
        source: the checkpoint to restore.
        say: prints a line.

    Raises:
        ConfigError: a name or a value that does not fit.
    """
    callbacks = callbacks_of(config, mode)
    computing = "eval" if mode == "eval" else "infer"
    modeler = find("modeler", config.modeler.name)(config, inputter, computing)
    run = Run(
        config=modeler.config,
        inputter=inputter,
        modeler=modeler,
        model_dir=config.model_path(),
        total_steps=inputter.steps_per_epoch,
        source=source,
        say=say,
    )
    return ForwardRunner(run, callbacks)
