"""The all-reduce runner: every rank drives one device with its own copy of the variables.

The gradients of all ranks are averaged inside the compiled step; there is no server and no central
copy. Rank 0 restores and hands its variables to the others before the first step; it alone talks
and writes, while the others wait in their next step's collective. All of them evaluate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lambda_fast import assembly, native
from lambda_fast.build import find
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config, ConfigError
from lambda_fast.inputter import Inputter
from lambda_fast.runner import agreement
from lambda_fast.runner.callbacks import callbacks_of
from lambda_fast.runner.joining import beat
from lambda_fast.runner.runner import Runner

EVERYWHERE = ("train_eval",)  # callbacks that all ranks have, because they work together in them


class AllReduceRunner(Runner):
    """Drives one device of several.

    Args:
        config: the run.
        inputter: of this rank's training images.
        modeler: in train mode.
        callbacks: on rank 0 all; on the others those of `EVERYWHERE`.
    """

    def __init__(
        self, config: Config, inputter: Inputter, modeler: Any, callbacks: Sequence[Callback]
    ) -> None:
        self._together = _Together()
        super().__init__(config, inputter, modeler, [*callbacks, self._together])
        if native.core().world()["rank"] > 0:
            self._run.say = lambda text: None

    def _goes_on(self, run: Run) -> bool:
        """Whether all ranks make another step: each gives the same answer.

        It is read off the step before the newest one, which the host need not wait for.
        """
        if run.step >= run.total_steps:
            return False
        if float(self._together.stops[0]) > 0:
            run.stopping = run.stopping or "a signal to another rank"
            return False
        if run.stopping is not None:
            run.modeler.stop.assign(1.0)
        return True


class _Together(Callback):
    """What all ranks do at the same points: agree, start from rank 0's variables, end.

    Attributes:
        stops: of the newest two steps, whether any rank wanted to stop; scalars on the device.
    """

    def __init__(self) -> None:
        self.stops: list[Any] = [0.0, 0.0]

    def before_run(self, run: Run) -> None:
        """Compares the ranks, then hands rank 0's variables and step to all."""
        run.tell = _tell(run)
        run.tell("agree")
        world = native.core().world()
        agreement.agree(agreement.facts(run.modeler, run.inputter), world["rank"], world["ranks"])
        run.tell("broadcast")
        variables = list(run.modeler.variables().values())
        values = [np.array(variable.numpy(), order="C") for variable in variables]
        native.core().broadcast(values, 0)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        run.step = run.first_step = run.modeler.step()

    def after_step(self, run: Run, report: StepReport) -> None:
        """Keeps what the ranks said of stopping."""
        self.stops = [self.stops[1], report.outputs.get("stop", 0.0)]

    def after_run(self, run: Run) -> None:
        """Waits for all ranks, so that none leaves while another still needs it."""
        run.tell("wait for the other ranks")
        native.core().barrier()


def _tell(run: Run) -> Any:
    line = beat()

    def tell(doing: str) -> None:
        if line is not None:
            line.tell(run.step, doing)

    return tell


@assembly.runner
def build(config: Config) -> AllReduceRunner:
    """The runner of this rank.

    Raises:
        ConfigError: a name or a value that does not fit.
        DataError: the data cannot be had.
    """
    world = native.core().world()
    rank, ranks = world["rank"], world["ranks"]
    if ranks != config.gpu_count:
        raise ConfigError(
            f"[all_reduce_runner] expected {config.gpu_count} ranks, found {ranks}. Train with "
            f"python -m lambda_fast.train --set gpu_count={config.gpu_count}, which starts them"
        )
    build_inputter = find("inputter", config.inputter.name)
    build_modeler = find("modeler", config.modeler.name)
    find("network", config.modeler.network, "net")
    callbacks = callbacks_of(config, "train", None if rank == 0 else EVERYWHERE)
    inputter = build_inputter(config, "train", rank, ranks)
    modeler = build_modeler(config, inputter, "train")
    return AllReduceRunner(modeler.config, inputter, modeler, callbacks)
