"""The newest checkpoint of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lambda_fast import checkpoint
from lambda_fast.checkpoint import Checkpoint, CheckpointError


def newest(model_dir: Path, asking: str, say: Callable[[str], None]) -> tuple[Path, Checkpoint]:
    """Reads the newest checkpoint of a run.

    Args:
        model_dir: the run's folder.
        asking: the command, for messages.
        say: is told of what is passed over.

    Raises:
        CheckpointError: there is none; random weights are never used instead.
    """
    steps = checkpoint.all_steps(model_dir)
    if not steps:
        raise CheckpointError(
            f"[{asking}] expected a checkpoint in {model_dir / checkpoint.FOLDER}, found none. "
            "Train first, or name the run's folder with --set model_dir=DIR"
        )
    path = checkpoint.path_of(model_dir, steps[-1])
    return path, checkpoint.read(path)
