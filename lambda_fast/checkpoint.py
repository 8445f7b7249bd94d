"""Checkpoints: one safetensors file a step, checked before it is renamed and when it is read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lambda_fast.errors import UserError

FOLDER = "checkpoints"
_NAME = re.compile(r"step-(\d+)\.safetensors")


class CheckpointError(UserError, RuntimeError):
    """A checkpoint that is absent, damaged, or of another run."""


class DamagedError(CheckpointError):
    """A checkpoint that does not hold what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

    Attributes:
        step: updates that were done.
        facts: what a run must share to continue from here (network, seed, batch size, ...).
        values: arrays by variable name.
    """

    step: int
    facts: dict[str, Any]
    values: dict[str, np.ndarray]


def write_atomically(path: Path, content: bytes) -> None:
    """Puts the whole content at the path, or leaves the path as it was.

    Raises:
        CheckpointError: the content cannot be stored; nothing half-made is left.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            # Else the page cache would answer, and not the disk.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if beside.read_bytes() != content:
            raise OSError(errno.EIO, "other bytes than were written")
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise CheckpointError(
            f"[checkpoint] expected to store {path}, found: {error.strerror}. What was there "
            "before is untouched. Make room, or choose another model_dir"
        ) from error


def all_steps(model_dir: Path) -> list[int]:
    """Steps that have a checkpoint, in rising order."""
    matches = (
        _NAME.fullmatch(path.name) for path in (model_dir / FOLDER).glob("step-*.safetensors")
    )
    return sorted(int(match[1]) for match in matches if match)


def path_of(model_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return model_dir / FOLDER / f"step-{step:08d}.safetensors"


def write(model_dir: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Stores a checkpoint and removes the oldest ones beyond `keep`.

    Raises:
        CheckpointError: it cannot be stored.
    """
    path = path_of(model_dir, checkpoint.step)
    metadata = {"step": str(checkpoint.step), "facts": json.dumps(checkpoint.facts)}
    metadata["sha256"] = _whole_digest(_digest(checkpoint.values), metadata)
    write_atomically(path, save(checkpoint.values, metadata))
    for step in all_steps(model_dir)[:-keep]:
        path_of(model_dir, step).unlink(missing_ok=True)
    return path


def read(path: Path) -> Checkpoint:
    """Reads and verifies a checkpoint.

    Raises:
        DamagedError: the file is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        step, facts = int(metadata["step"]), json.loads(metadata["facts"])
        digest = _digest(values)
        # The second one is of versions that told of the values alone.
        intact = metadata["sha256"] in (_whole_digest(digest, metadata), digest)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise _damaged(path, str(error)) from error
    if not intact:
        raise _damaged(path, "other bytes than were written (sha256)")
    return Checkpoint(step, facts, values)


def _damaged(path: Path, found: str) -> DamagedError:
    return DamagedError(
        f"[checkpoint] expected an intact checkpoint at {path}, found: {found}. "
        "Remove it, or take another one"
    )


def _whole_digest(values: str, metadata: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{values} {metadata['step']} {metadata['facts']}".encode()).hexdigest()


def _digest(values: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(values):
        array = np.ascontiguousarray(values[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
