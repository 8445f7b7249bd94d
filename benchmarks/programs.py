"""Whole training programs, each a process of its own: lambda_fast's command, Keras and PyTorch.

All train the cifar10 recipe on the same files and note when steps were done (`train_clock.py`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import cifar_part, train_clock
from lambda_fast.config import Config

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 1200  # at most, of a program


@dataclass(frozen=True)
class Ran:
    """What one process did.

    Attributes:
        first: seconds from its start to the end of the first step.
        steady: seconds from there to the end of the last step; none where there was one alone.
        wall: seconds from its start to its end.
        loss: of the first step.
        parameters: of the network.
        accuracy: on the test images afterwards, where asked for.
    """

    first: float
    steady: float | None
    wall: float
    loss: float
    parameters: int
    accuracy: float | None


Program = Callable[[Config, Path, Path], list[str]]


def ours(config: Config, data: Path, out: Path) -> list[str]:
    """`python -m lambda_fast.train` with all default callbacks, and the clock."""
    names = [*config.callback.names, f"{train_clock.__name__}:build"]
    changes = {
        "seed": config.seed,
        "batch_size_per_gpu": config.batch_size_per_gpu,
        "epochs": config.epochs,
        "max_step": config.max_step,
        "modeler.precision": config.modeler.precision,
        "modeler.learning_rate": config.modeler.learning_rate,
        "modeler.warmup_epochs": config.modeler.warmup_epochs,
        "inputter.dataset": cifar_part.DATASET,
        "inputter.data_dir": data,
        "callback.names": ",".join(names),
        "model_dir": out,
    }
    settings = [f"--set={path}={value}" for path, value in changes.items()]
    return ["-m", "lambda_fast.train", "--config", config.name, *settings]


def peer(module: str) -> Program:
    """A program under `benchmarks/peers/`, which gets the recipe as JSON."""

    def command(config: Config, data: Path, out: Path) -> list[str]:
        modeler = config.modeler
        recipe = {
            "seed": config.seed,
            "precision": modeler.precision,
            "batch": config.batch_size_per_gpu,
            "epochs": config.epochs,
            "max_step": config.max_step,
            "learning_rate": modeler.learning_rate,
            "warmup_epochs": modeler.warmup_epochs,
            "weight_decay": modeler.weight_decay,
            "label_smoothing": modeler.label_smoothing,
            "mean": config.augmenter.mean,
            "std": config.augmenter.std,
            "evaluate": "train_eval" in config.callback.names,
        }
        return ["-m", f"benchmarks.peers.{module}", str(data), str(out), json.dumps(recipe)]

    return command


def python_path() -> str:
    """PYTHONPATH for a process that imports `benchmarks`, with what the caller has set."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def run(program: Program, config: Config, data: Path, out: Path) -> Ran:
    """Starts a program and waits for its end.

    Args:
        program: what makes its arguments.
        config: the recipe.
        data: a folder with `train.npz` and `eval.npz`.
        out: a new folder for what it writes.
    """
    out.mkdir()
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, *program(config, data, out)],
        env=os.environ | {"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    wall = time.monotonic() - begin
    assert done.returncode == 0, done.stdout + done.stderr
    noted: dict[str, Any] = json.loads((out / train_clock.FILE).read_text())
    last = noted.get("last")
    return Ran(
        first=noted["first"] - begin,
        steady=None if last is None else last - noted["first"],
        wall=wall,
        loss=noted["loss"],
        parameters=noted["parameters"],
        accuracy=noted.get("accuracy"),
    )
