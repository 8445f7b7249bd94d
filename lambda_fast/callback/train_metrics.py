"""train_metrics: one JSON line a report, in `<model_dir>/metrics.jsonl`."""

import json
from typing import IO, Any

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.checkpoint import write_atomically
from lambda_fast.config import Config

FILE = "metrics.jsonl"


class TrainMetrics(Callback):
    """Each line has `step`, `epoch`, `learning_rate` and the newest metrics.

    With clipping, the step's `gradient_norm` as well.
    """

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        self._last: dict[str, Any] = {}

    def before_run(self, run: Run) -> None:
        """Opens the file; of an earlier run's lines, those after its checkpoint go.

        Without `train_basic` nothing was restored, and nothing goes.
        """
        path = run.model_dir / FILE
        if path.exists() and "train_basic" in run.config.callback.names:
            kept = [line for line in path.read_text().splitlines() if _step(line) <= run.step]
            write_atomically(path, "".join(f"{line}\n" for line in kept).encode())
        self._file = path.open("a")

    def after_step(self, run: Run, report: StepReport) -> None:
        """Writes a line on log steps."""
        if run.is_log_step():
            told = [name for name in ("learning_rate", "gradient_norm") if name in report.outputs]
            self._last = {"epoch": report.epoch} | {n: float(report.outputs[n]) for n in told}
            self._write(run)

    def after_run(self, run: Run) -> None:
        """Writes the last line, with what the evaluation added; none if no step was done."""
        if self._last:
            self._write(run)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, run: Run) -> None:
        print(
            json.dumps({"step": run.step} | self._last | run.metrics), file=self._file, flush=True
        )


def _step(line: str) -> float:
    """The step of a line; a line cut short by a kill is after everything."""
    try:
        return json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")


@assembly.part
def build(config: Config) -> TrainMetrics:
    """The callback."""
    return TrainMetrics()
