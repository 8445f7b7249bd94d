"""The world that mpiexec or srun put this process into, read from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lambda_fast.config import Config, ConfigError

# What process managers set: rank, ranks. srun sets the first or the second pair with --mpi=pmi2 or
# pmix; its own SLURM_PROCID also stands in batch scripts, which are no ranks.
_NAMES = (
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
)
_LOCAL = (
    ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    ("SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
)


@dataclass(frozen=True)
class World:
    """Which of how many ranks this process is, in all and on this machine."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    local_ranks: int = 1


def world_of(environment: Mapping[str, str]) -> World | None:
    """The world that the environment tells of; none outside of mpiexec and srun."""
    pair = _numbers(environment, _NAMES)
    if pair is None:
        return None
    return World(*pair, *(_numbers(environment, _LOCAL) or pair))


def _numbers(
    environment: Mapping[str, str], names: tuple[tuple[str, str], ...]
) -> tuple[int, int] | None:
    for first, second in names:
        one, other = environment.get(first, ""), environment.get(second, "")
        if one.isdecimal() and other.isdecimal():
            return int(one), int(other)
    return None


def fitted(config: Config, world: World) -> Config:
    """The config for this world, whose size a gpu_count of 1 leaves open.

    Raises:
        ConfigError: the config asks for another number of ranks.
    """
    if config.gpu_count not in (1, world.ranks):
        raise ConfigError(
            f"[gpu_count] expected the {world.ranks} ranks of this mpiexec or srun, found "
            f"{config.gpu_count}. Leave gpu_count out, or start {config.gpu_count} ranks"
        )
    return replace(config, gpu_count=world.ranks)


def gpus_present() -> int:
    """NVIDIA GPUs of this machine that this process may see, told without opening one."""
    folder = Path("/proc/driver/nvidia/gpus")
    count = len(list(folder.iterdir())) if folder.is_dir() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not count:
        return count
    return len([part for part in visible.split(",") if part and part != "-1"])


def check_devices(gpu_count: int, present: int) -> None:
    """Refuses more ranks than GPUs; on a machine without, ranks share the cores.

    Raises:
        ConfigError: names both numbers.
    """
    if present and gpu_count > present:
        raise ConfigError(
            f"[gpu_count] expected at most {present}, the GPUs present, found {gpu_count}. "
            f"--set gpu_count={present}, or start the ranks on several machines with mpiexec"
        )


def take_devices(world: World, launched: bool) -> None:
    """Gives this rank its GPU or its share of the cores, before TensorFlow starts its threads.

    Threads of TensorFlow, XLA and the native library follow the process's cores. A binding by the
    user's own mpiexec or srun stays.
    """
    if world.local_ranks == 1:
        return
    if gpus_present():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        own = visible[world.local_rank] if len(visible) > 1 else str(world.local_rank)
        os.environ["CUDA_VISIBLE_DEVICES"] = own
        return
    cores = sorted(os.sched_getaffinity(0))
    if not launched and len(cores) < (os.cpu_count() or 1):
        return
    share = cores_of(cores, world.local_rank, world.local_ranks)
    if share:
        os.sched_setaffinity(0, share)
    else:
        os.environ["TF_NUM_INTRAOP_THREADS"] = "1"


def cores_of(cores: list[int], rank: int, ranks: int) -> list[int]:
    """A rank's part of the cores; nothing where there are fewer cores than ranks.

    All parts are equally large: XLA's matrix products may sum in another order on another number of
    threads, and the ranks' copies of the variables would drift apart.
    """
    share = len(cores) // ranks
    return cores[share * rank : share * (rank + 1)]
