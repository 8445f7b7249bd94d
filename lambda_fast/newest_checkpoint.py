"""The newest intact checkpoint of a run: a damaged one is told of, and the one before it taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lambda_fast import checkpoint
from lambda_fast.checkpoint import Checkpoint, CheckpointError, DamagedError

Say = Callable[[str], None]


def newest(model_dir: Path, asking: str, say: Say) -> tuple[Path, Checkpoint]:
    """Reads the newest checkpoint that is intact.

    Args:
        model_dir: the run's folder.
        asking: the command, for messages.
        say: is told of each damaged one.

    Raises:
        CheckpointError: there is none, or none is intact; random weights are never used instead.
    """
    folder = model_dir / checkpoint.FOLDER
    steps = checkpoint.all_steps(model_dir)
    for step in reversed(steps):
        path = checkpoint.path_of(model_dir, step)
        try:
            return path, checkpoint.read(path)
        except DamagedError as error:
            say(f"{error}. Takes the one before it")
    if steps:
        raise CheckpointError(
            f"[{asking}] expected an intact checkpoint in {folder}, found {len(steps)} damaged. "
            "Train anew in another model_dir: --set model_dir=DIR"
        )
    raise CheckpointError(
        f"[{asking}] expected a checkpoint in {folder}, found none. Train first, or name the "
        "run's folder with --set model_dir=DIR"
    )


def clear(model_dir: Path, newest_intact: int) -> None:
    """Sweeps what killed runs left half-written, and sets damaged checkpoints aside.

    They would count among the checkpoints to keep, and intact ones would go in their stead.

    Args:
        model_dir: the folder of a run that no other process is writing to.
        newest_intact: step of the checkpoint from which it goes on.
    """
    folder = model_dir / checkpoint.FOLDER
    for left in folder.glob(".*.partial"):
        left.unlink(missing_ok=True)
    for step in checkpoint.all_steps(model_dir):
        if step > newest_intact:
            path = checkpoint.path_of(model_dir, step)
            path.replace(path.with_suffix(".damaged"))
