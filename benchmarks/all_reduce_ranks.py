"""One rank of bench_all_reduce: times sums of several sizes, ours and MPI's in turns.

Started by mpiexec with: the compiled mpi_all_reduce.cc, rounds, seconds a block, sizes in bytes.
Rank 0 prints a JSON line `{system, bytes, steps, seconds}` for each system and size.
"""

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from lambda_fast import native
from lambda_fast.runner import collective

Step = Callable[[], object]
PATIENCE = 6  # blocks; a system whose step takes longer is measured once, and at no larger size


def main() -> None:
    peer_path, rounds, seconds, *sizes = sys.argv[1:]
    world = collective.join()
    peer = ctypes.CDLL(peer_path)
    patience = PATIENCE * float(seconds)
    slow: set[str] = set()
    for size in map(int, sizes):
        systems = _systems(peer, world, size // 4, slow)
        steps, found = {}, {}
        for name, step in systems.items():
            steps[name], took = _steps(step, float(seconds))
            found[name] = [took] if took / steps[name] > patience else []
        timed = [name for name in systems if not found[name]]
        for _ in range(int(rounds)):
            for name in timed:
                found[name].append(_block(systems[name], steps[name]))
        slow |= {name for name in systems if min(found[name]) / steps[name] > patience}
        if world.rank == 0:
            for name, blocks in found.items():
                row = {"system": name, "bytes": size, "steps": steps[name], "seconds": blocks}
                print(json.dumps(row), flush=True)
    collective.leave()


def _systems(
    peer: ctypes.CDLL, world: collective.World, count: int, slow: set[str]
) -> dict[str, Step]:
    """The systems by name, each checked on real values; they are timed on zeros."""
    values = np.zeros(count, np.float32)
    everybody = np.zeros(count * world.ranks if world.rank == 0 else 1, np.float32)
    address = ctypes.c_void_p(values.ctypes.data)
    size, core, arrays = ctypes.c_int64(count), native.core(), [values]
    systems = {
        "lambda_fast": lambda: core.all_reduce(arrays, False),
        "mpi_all_reduce": lambda: peer.raw_all_reduce(address, size),
        "parameter_server": lambda: peer.parameter_server(
            address, ctypes.c_void_p(everybody.ctypes.data), size, world.rank, world.ranks
        ),
    }
    systems = {name: step for name, step in systems.items() if name not in slow}
    ramp = np.arange(count) % 251
    for name, step in systems.items():
        values[:] = ramp + world.rank
        step()
        right = (values == ramp * world.ranks + sum(range(world.ranks))).all()
        assert right, f"{name} sums wrongly"
    values[:] = 0
    return systems


def _steps(step: Step, seconds: float) -> tuple[int, float]:
    """How many steps take about so long, and how long they would; the same on all ranks."""
    count = 1
    while (took := _block(step, count)) < seconds / 4:
        count *= 2
    steps = max(1, round(count * seconds / took))
    return steps, took / count * steps


def _block(step: Step, steps: int) -> float:
    """Seconds from the first rank's start to the last one's end, on all ranks."""
    core = native.core()
    gc.disable()
    core.barrier()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    core.barrier()
    longest = np.array([time.perf_counter() - begin])
    core.broadcast([longest], 0)
    gc.enable()
    return float(longest[0])


if __name__ == "__main__":
    main()
