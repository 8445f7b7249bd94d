"""Callbacks: watch a run through four hooks.

Each part is a module with `build(config) -> Callback`. Callbacks only watch, with one exception:
`train_basic`, `eval_basic`, `infer_basic` and `export_basic` restore the variables before the
first step.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambda_fast.checkpoint import Checkpoint
from lambda_fast.config import Config
from lambda_fast.inputter import Batch


@dataclass(frozen=True)
class StepReport:
    """What one step tells.

    Attributes:
        step: updates done in all, this one included.
        epoch: that the step belongs to, from 0.
        outputs: `loss`, `accuracy`, `learning_rate` and, with clipping, `gradient_norm`: float32
            scalars on the device. Reading one waits for the device.
        images: that all ranks saw in the step.
        seconds: the host spent on the step.
        input_seconds: of these, waited until the inputter had the batch.
        batch: this rank's images of the step.
    """

    step: int
    epoch: int
    outputs: dict[str, Any]
    images: int
    seconds: float
    input_seconds: float = 0.0
    batch: Batch | None = None


@dataclass
class Run:
    """A run as callbacks see it.

    Attributes:
        config: the recipe, with what was set.
        inputter: of the training images.
        modeler: of the training step.
        model_dir: where the run writes.
        total_steps: at which it ends.
        step: updates done so far.
        first_step: updates that an earlier process had done.
        metrics: the newest value of each number that a callback found.
        stopping: ends the run after this step; the reason, or none.
        say: prints a line without disturbing a progress line.
        tell: says what the run is doing, to whoever watches over its ranks.
        paused_seconds: spent in `pause`.
        source: in eval, infer and export, the checkpoint and where it lies.
        restored: whether the network has its values.
        images: seen so far, in eval and infer.
        results: what callbacks found that is no single number, and what the run is to return.
    """

    config: Config
    inputter: Any
    modeler: Any
    model_dir: Path
    total_steps: int
    step: int = 0
    first_step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    stopping: str | None = None
    say: Callable[[str], None] = print
    tell: Callable[[str], None] = lambda doing: None
    paused_seconds: float = 0.0
    source: tuple[Path, Checkpoint] | None = None
    restored: bool = False
    images: int = 0
    results: dict[str, Any] = field(default_factory=dict)

    def is_log_step(self) -> bool:
        """Whether callbacks read the device's numbers after this step."""
        callback = self.config.callback
        return (
            self.step % callback.log_every_n_iter == 0
            or self.step % callback.save_summary_steps == 0
            or self.is_epoch_end()
            or self.is_complete()
        )

    def is_complete(self) -> bool:
        """Whether the last step is done."""
        return self.step >= self.total_steps

    def is_epoch_end(self) -> bool:
        """Whether this step was the last one of its epoch."""
        return self.step % self.inputter.steps_per_epoch == 0

    @contextlib.contextmanager
    def pause(self, doing: str = "pause") -> Iterator[None]:
        """Keeps work that is no training (a checkpoint, an evaluation) out of the speed."""
        self.tell(doing)
        self.modeler.step()  # waits for the device, so that its steps are not counted in here
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.paused_seconds += time.perf_counter() - begin


class Callback:
    """The hooks, each empty: a callback overrides those it needs.

    Attributes:
        metrics: names of what it puts into `run.metrics`, in training; `runner.summary_names` may
            be of them.
        name: as the config names it; of one that no config names, its class's.
    """

    metrics: tuple[str, ...] = ()
    name: str = "Callback"

    def __init_subclass__(cls) -> None:
        """Gives a class its name."""
        cls.name = cls.__name__

    def before_run(self, run: Run) -> None:
        """Once, before the first step."""

    def before_step(self, run: Run) -> None:
        """Before each step."""

    def after_step(self, run: Run, report: StepReport) -> None:
        """After each step."""

    def after_run(self, run: Run) -> None:
        """Once, at the end, also when the run was stopped; not after an error."""

    def close(self) -> None:
        """Always, last, also after an error: files and terminals are given back."""
