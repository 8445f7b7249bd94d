"""train_basic: checkpoints, and going on from the newest one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lambda_fast import assembly, checkpoint, checkpoint_fit, overrides
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config
from lambda_fast.newest_checkpoint import clear, newest


class TrainBasic(Callback):
    """Saves every `save_checkpoints_steps` (or each epoch), at the end, and when stopped."""

    def __init__(self, config: Config) -> None:
        self._every = config.callback.save_checkpoints_steps
        self._keep = config.callback.keep_checkpoint_max
        self._saved = -1

    def before_run(self, run: Run) -> None:
        """Restores the newest intact checkpoint of `model_dir`, if there is any at all."""
        if not checkpoint.all_steps(run.model_dir):
            return
        path, found = newest(run.model_dir, "train", run.say)
        clear(run.model_dir, found.step)
        checkpoint_fit.check_facts(path, found.facts, run.modeler.facts())
        checkpoint_fit.check_class_names(path, found.facts, run.inputter.class_names)
        for change in _changes(found.facts.get("config", []), run.config):
            run.say(f"Not as in the run so far: {change}")
        run.modeler.restore(path, found.values)
        run.step = run.first_step = self._saved = run.modeler.step()
        if run.step < run.total_steps:
            run.say(f"Going on from step {run.step} of {run.total_steps} ({path})")
        else:
            run.say(
                f"{path} is at step {run.step}: the {run.total_steps} steps of this run are done. "
                "Set more epochs to train on, or another model_dir to start anew"
            )

    def after_step(self, run: Run, report: StepReport) -> None:
        """Saves when it is time."""
        if (run.step % self._every == 0) if self._every else run.is_epoch_end():
            self._save(run)

    def after_run(self, run: Run) -> None:
        """Saves the last step."""
        if run.step != self._saved:
            self._save(run)

    def _save(self, run: Run) -> None:
        with run.pause("checkpoint"):
            checkpoint.write(run.model_dir, state_of(run), self._keep)
        self._saved = run.step


def state_of(run: Run, facts: Mapping[str, Any] | None = None) -> checkpoint.Checkpoint:
    """All that a checkpoint holds of a run as it is now, and facts about it."""
    values = {name: np.asarray(value) for name, value in run.modeler.variables().items()}
    own = {
        "config": list(overrides.lines(run.config)),
        "class_names": list(run.inputter.class_names),
        "image_shape": list(run.inputter.image_shape),
    }
    return checkpoint.Checkpoint(run.step, run.modeler.facts() | own | dict(facts or {}), values)


def _changes(before: list[str], config: Config) -> list[str]:
    """The fields that steer the training and have changed, as `epochs=3, was epochs=2`."""
    old = dict(line.split("=", 1) for line in before)
    new = dict(line.split("=", 1) for line in overrides.lines(config))
    silent = ("model_dir", "max_step", "callback.", "inputter.data_dir")
    return [
        f"{path}={value}, was {path}={old[path]}"
        for path, value in new.items()
        if path in old and old[path] != value and not path.startswith(silent)
    ]


@assembly.part
def build(config: Config) -> TrainBasic:
    """The callback."""
    return TrainBasic(config)
