"""Collectives: what the ranks of a run compute together, inside the compiled step and before it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files
from typing import Any

from lambda_fast import native
from lambda_fast.errors import UserError

LIBRARY = "LAMBDA_FAST_MPI_LIBRARY"


class CollectiveError(UserError, RuntimeError):
    """MPI is absent, or not one that fits."""


def mpi_library() -> str:
    """The path of an MPI library of the standard ABI: the user's, or the mpich wheel's.

    Raises:
        CollectiveError: there is none.
    """
    given = os.environ.get(LIBRARY)
    if given:
        return given
    try:
        found = [file for file in files("mpich") or [] if file.name == "libmpi_abi.so.1"]
        return str(found[0].locate().resolve())
    except (PackageNotFoundError, IndexError) as error:
        raise CollectiveError(
            f"[mpi] expected the package mpich, found none. pip install mpich, or name a library "
            f"of MPI's standard ABI (libmpi_abi.so) in {LIBRARY}"
        ) from error


def join() -> tuple[int, int]:
    """Joins the world that mpiexec or srun made. Returns this rank, and how many there are.

    Raises:
        CollectiveError: no MPI that fits.
    """
    core = native.core()
    try:
        core.join_world(mpi_library())
    except (ValueError, RuntimeError) as error:
        raise CollectiveError(str(error)) from error
    world = core.world()
    return world["rank"], world["ranks"]


def all_reduce(tensors: Sequence[Any], mean: bool = True) -> list[Any]:
    """The mean (or sum) of each tensor over all ranks, by one op; in a world of one, by none.

    Args:
        tensors: float32, bfloat16 or float16, of any shapes, the same on all ranks.
        mean: divide by the number of ranks.
    """
    if native.core().world()["ranks"] == 1:
        return list(tensors)
    return native.ops().lambda_fast_all_reduce(inputs=list(tensors), mean=mean)
