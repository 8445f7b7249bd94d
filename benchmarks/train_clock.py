"""train_clock: a callback that notes when the first and the last step of a run were done.

Every program that `benchmarks/programs.py` starts leaves the same note, `clock.json`: `first` and
`last`, seconds of the clock that all processes of a machine share; `loss` of the first step,
`parameters` of the network and, where asked for, `accuracy` on the test images.
"""

import json
import math
import time
from typing import Any

from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config

FILE = "clock.json"


class TrainClock(Callback):
    """Reads the loss of both steps, so that the device is done with them.

    Place it last: what other callbacks do in the steps between belongs to the training.
    """

    def __init__(self) -> None:
        self._noted: dict[str, Any] = {}

    def after_step(self, run: Run, report: StepReport) -> None:
        """Notes the time."""
        if run.step == 1:
            self._noted["loss"] = float(report.outputs["loss"])
            self._noted["first"] = time.monotonic()
            learning = run.modeler.model.trainable_variables
            self._noted["parameters"] = sum(math.prod(each.shape) for each in learning)
        if run.is_complete():
            float(report.outputs["loss"])
            self._noted["last"] = time.monotonic()

    def after_run(self, run: Run) -> None:
        """Writes the note, with what `train_eval` found."""
        self._noted["accuracy"] = run.metrics.get("eval_accuracy")
        (run.model_dir / FILE).write_text(json.dumps(self._noted))


def build(config: Config) -> TrainClock:
    """The callback."""
    return TrainClock()
