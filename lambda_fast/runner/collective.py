"""What the ranks of a run do together: joining their world, sums and broadcasts of tensors."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_fast import native
from lambda_fast.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

# What launchers tell each rank of the number of ranks: MPICH's mpiexec, Open MPI's, srun.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
# Set by launchers that tell the number of ranks through a server alone.
_SIGNS = ("PMI_RANK", "PMI_FD", "PMIX_RANK")


LIBRARY = "LAMBDA_FAST_MPI_LIBRARY"


class CollectiveError(UserError, RuntimeError):
    """Ranks cannot work together: no MPI, or a launcher that MPI does not know."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """This process among all of the run.

    Attributes:
        rank: number of this process.
        ranks: how many there are.
        through: what carries sums on CPUs: `solo`, `shared memory` or `MPI`.
        gpu_through: what carries them on GPUs: `solo` or `NCCL`.
    """

    rank: int = 0
    ranks: int = 1
    through: str = "solo"
    gpu_through: str = "solo"


def world() -> World:
    """The world as it is: of one before `join`."""
    return World(**native.core().world())


def launched() -> bool:
    """Whether a launcher such as mpiexec or srun started this process as one of several ranks."""
    sizes = [int(os.environ[name]) for name in _SIZES if os.environ.get(name, "").isdigit()]
    return max(sizes) > 1 if sizes else any(name in os.environ for name in _SIGNS)


def mpi_library() -> str:
    """Path of the MPI library (standard ABI of MPI 5): LAMBDA_FAST_MPI_LIBRARY, else mpich's wheel.

    Raises:
        CollectiveError: neither is there.
    """
    # libmpi_abi.so without a number is a linker's script.
    return _library(LIBRARY, "mpich", "libmpi_abi.so.")


def nccl_library() -> str:
    """Path of the NCCL library: LAMBDA_FAST_NCCL_LIBRARY, else that of nvidia-nccl-cu12's wheel.

    Raises:
        CollectiveError: neither is there.
    """
    return _library("LAMBDA_FAST_NCCL_LIBRARY", "nvidia-nccl-cu12", "libnccl.so.")


def _library(variable: str, package: str, prefix: str) -> str:
    named = os.environ.get(variable, "")
    if named:
        if not Path(named).is_file():
            raise CollectiveError(
                f"[{variable}] expected the path of {prefix}*, found {named!r}, which is no file. "
                f"Correct it, or unset it to use that of pip install {package}"
            )
        return named
    try:
        found = [file for file in files(package) or [] if file.name.startswith(prefix)]
        return str(Path(found[0].locate()).resolve(strict=True))
    except (PackageNotFoundError, IndexError, OSError) as error:
        raise CollectiveError(
            f"[collective] expected the library {prefix}*, found none. pip install {package}, or "
            f"name one in {variable}"
        ) from error


def join(gpu: bool = False, timeout: float = 60.0) -> World:
    """Joins the ranks that mpiexec or srun started; alone, it stays a world of one without MPI.

    Args:
        gpu: the ranks compute on a GPU each, so that tensors travel through NCCL.
        timeout: seconds that NCCL has to start, and to end; calls in between have no limit.

    Returns:
        The world; the same one when called again.

    Raises:
        CollectiveError: no MPI or NCCL library, one of another ABI, or an MPI that the launcher
            does not know.
    """
    if world().ranks > 1 or not launched():
        return world()
    try:
        native.core().join_world(mpi_library(), nccl_library() if gpu else "", timeout)
    except RuntimeError as error:
        raise CollectiveError(str(error)) from error
    if world().ranks == 1:
        leave()
        raise CollectiveError(
            "[mpi] expected the ranks that the launcher promises, found a world of one: launcher "
            "and MPI library do not know each other. Start with the mpiexec of pip install mpich "
            "or srun --mpi=pmi2, or name the launcher's library in LAMBDA_FAST_MPI_LIBRARY"
        )
    return world()


def leave() -> None:
    """Back to a world of one. All ranks must call it: it waits for them."""
    native.core().leave_world()


@functools.cache
def _ops() -> Any:
    """The ops, whose gradients TensorFlow knows from here on."""
    import tensorflow as tf

    ops = native.ops()
    tf.RegisterGradient("LambdaFast>AllReduce")(_all_reduce_gradient)
    tf.no_gradient("LambdaFast>Broadcast")
    return ops


def _all_reduce_gradient(op: tf.Operation, *gradients: tf.Tensor) -> list[tf.Tensor | None]:
    """Of the sum of all ranks' losses: what went to all ranks comes back from all of them."""
    *results, _ticket = gradients
    return [*all_reduce(results, mean=op.get_attr("mean")), None]


def _in_order(
    op: Callable[..., Any], tensors: list[tf.Tensor], **attributes: Any
) -> list[tf.Tensor]:
    """Calls the op behind the last one of the same graph, which XLA would not keep in order."""
    import tensorflow as tf

    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    ticket = getattr(graph, "_lambda_fast_ticket", None)
    outputs, following = op(tensors, tf.zeros([]) if ticket is None else ticket, **attributes)
    if graph is not None:
        graph._lambda_fast_ticket = following
    return list(outputs)


def all_reduce(tensors: Sequence[tf.Tensor], mean: bool = True) -> list[tf.Tensor]:
    """Each tensor's sum or mean over all ranks: the same bits on every rank, in one operation.

    Sums are taken in float32 and rounded once. All ranks must call it in the same order with the
    same shapes and types.

    Args:
        tensors: float32, bfloat16 or float16, of any shapes.
        mean: divides the sums by the number of ranks.

    Returns:
        Tensors like the given ones; in a world of one, those themselves.
    """
    tensors = list(tensors)
    if not tensors or world().ranks == 1:
        return tensors
    return _in_order(_ops().lambda_fast_all_reduce, tensors, mean=mean)


def broadcast(tensors: Sequence[tf.Tensor], root: int = 0) -> list[tf.Tensor]:
    """The root's tensors on every rank.

    Args:
        tensors: of any shapes, the same on all ranks; floats, int32, int64, uint8 or bool.
        root: the rank whose values win.

    Returns:
        Tensors like the given ones; in a world of one, those themselves.

    Raises:
        CollectiveError: there is no such rank.
    """
    tensors = list(tensors)
    here = world()
    if not 0 <= root < here.ranks:
        raise CollectiveError(f"[broadcast] expected a rank below {here.ranks}, found root {root}")
    if not tensors or here.ranks == 1:
        return tensors
    return _in_order(_ops().lambda_fast_broadcast, tensors, root=root)
