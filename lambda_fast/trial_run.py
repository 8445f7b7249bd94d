"""One training of a search, in a process of its own, watched while it runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lambda_fast import overrides
from lambda_fast.config import Config
from lambda_fast.errors import UserError
from lambda_fast.runner.descendants import die_with_parent

COMMAND = (sys.executable, "-m", "lambda_fast.train")
PAUSE = 0.5  # seconds between two looks at the metrics


class TrialError(UserError, RuntimeError):
    """A training of a search that has failed."""


def train(config: Config, recipe: str, hopeless: Callable[[int, float], bool]) -> float | None:
    """Trains, or goes on where an earlier process was stopped.

    Args:
        config: the run.
        recipe: that it is made from.
        hopeless: told of each new evaluation's step and accuracy, says whether to stop.

    Returns:
        The last evaluation's accuracy; none if it was hopeless.

    Raises:
        TrialError: the training failed; its last words.
        KeyboardInterrupt: from Ctrl-C, when the training has saved and ended.
    """
    folder = config.model_path()
    folder.mkdir(parents=True, exist_ok=True)
    fields = [part for line in overrides.lines(config) for part in ("--set", line)]
    evaluations = _Evaluations(folder / "metrics.jsonl")
    with (folder / "train.log").open("ab") as log:
        process = subprocess.Popen(
            [*COMMAND, "--config", recipe, *fields],
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # else it would go on beside the one that takes it up
            start_new_session=True,  # a second signal ends it at once: Ctrl-C is passed on by us
        )
        try:
            while process.poll() is None:
                time.sleep(PAUSE)
                if any(hopeless(step, accuracy) for step, accuracy in evaluations.new()):
                    return None
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait()
    if process.returncode:
        words = (folder / "train.log").read_text(errors="replace").splitlines() or [""]
        raise TrialError(
            f"[tune] expected a training that ends well, found code {process.returncode}: "
            f"{words[-1].removeprefix('error: ')} ({folder / 'train.log'})"
        )
    return json.loads((folder / "summary.json").read_text())["eval_accuracy"]


class _Evaluations:
    """The evaluations that a growing `metrics.jsonl` tells of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (-1, None)

    def new(self) -> list[tuple[int, float]]:
        """Step and accuracy of those since the last look."""
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # half a line, of a write at work
                break
            step, accuracy = entry["step"], entry.get("eval_accuracy")
            # Lines between two evaluations repeat the older one.
            if step > self._seen[0] and accuracy not in (None, self._seen[1]):
                self._seen = (step, accuracy)
                found.append(self._seen)
        return found
