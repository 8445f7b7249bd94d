"""One rank of a test: runs the case of the core's collectives that its argument names."""

import hashlib
import sys
import threading
import time

import numpy as np
from launch import say

from lambda_fast import native
from lambda_fast.runner import collective

SIZES = (0, 1, 2, 15, 16, 17, 1000, 65537, 262143, 262144, 262145, 1000003)
core = native.core()
world = collective.join()


def values(rank, count):
    return np.random.default_rng([rank, count]).standard_normal(count).astype(np.float32)


def as_bfloat16(wide):
    bits = wide.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def widened(array):
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array


CONVERSIONS = {
    "float32": lambda wide: wide,
    "bfloat16": as_bfloat16,
    "float16": lambda wide: wide.astype(np.float16),
}
# Of one rounding to the type, relative to the exact mean.
ROUNDING = {"float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}


def sums():
    """Compares with float64 and says a digest of all results."""
    digest = hashlib.sha256()
    for dtype, convert in CONVERSIONS.items():
        for mean in (True, False):
            given = [[convert(values(r, n)) for n in SIZES] for r in range(world.ranks)]
            mine = [array.copy() for array in given[world.rank]]
            core.all_reduce(mine, mean)
            for i, found in enumerate(mine):
                wide = np.array([widened(rank[i]).astype(np.float64) for rank in given])
                exact = wide.sum(0) / (world.ranks if mean else 1)
                # Sums in float32 err by a rounding for each rank; then one more to the type.
                slack = np.abs(wide).sum(0) * world.ranks * 2.0**-24
                bound = slack + np.abs(exact) * ROUNDING[dtype] + 2.0**-25
                assert (np.abs(widened(found) - exact) <= bound).all(), (dtype, mean, SIZES[i])
                digest.update(found.tobytes())
    return world.through, digest.hexdigest()


def lists():
    """Empty lists, empty arrays, and mixed types, whose sums travel as float32."""
    core.all_reduce([], True)
    core.all_reduce([np.zeros(0, np.float32)], True)
    wide, half = values(world.rank, 100), values(world.rank, 77).astype(np.float16)
    core.all_reduce([wide, half], False)
    exact = sum(values(r, 77).astype(np.float16).astype(np.float32) for r in range(world.ranks))
    np.testing.assert_array_equal(half, exact.astype(np.float16))
    np.testing.assert_array_equal(wide, sum(values(r, 100) for r in range(world.ranks)))
    return "right"


def broadcasts():
    for root in range(world.ranks):
        for n in SIZES:
            arrays = [values(world.rank, n), np.full(n, world.rank, np.int64)]
            core.broadcast(arrays, root)
            np.testing.assert_array_equal(arrays[0], values(root, n))
            assert (arrays[1] == root).all()
    core.barrier()
    try:
        core.broadcast([np.zeros(1, np.float32)], world.ranks)
    except ValueError as error:
        return str(error)
    return "not refused"


def zeros(*counts):
    return [np.zeros(count, np.float32) for count in counts]


# What the first ranks do, and the last one instead.
MISMATCHES = {
    "sizes": (lambda: core.all_reduce(zeros(1000)), lambda: core.all_reduce(zeros(1001))),
    "means": (lambda: core.all_reduce(zeros(9), True), lambda: core.all_reduce(zeros(9), False)),
    "parts": (lambda: core.broadcast(zeros(10, 20), 0), lambda: core.broadcast(zeros(20, 10), 0)),
    "roots": (lambda: core.broadcast(zeros(9), 0), lambda: core.broadcast(zeros(9), 1)),
}


def mismatch(kind):
    """The last rank calls something else than the others."""
    try:
        MISMATCHES[kind][world.rank == world.ranks - 1]()
    except (ValueError, RuntimeError) as error:
        return str(error)
    return "not refused"


def mismatches():
    """Over MPI, which goes on after each."""
    return {kind: mismatch(kind) for kind in MISMATCHES}


def abort():
    """The last rank does not come, and aborts from another thread; says seconds and errors."""
    core.barrier()
    started = time.monotonic()
    if world.rank == world.ranks - 1:
        timer = threading.Timer(0.5, core.abort_world)
        timer.start()
        timer.join()
    errors = []
    for _ in range(2):  # a pending call, and a later one
        try:
            core.all_reduce([np.zeros(1000, np.float32)], True)
        except RuntimeError as error:
            errors.append(str(error))
    return time.monotonic() - started, errors


def late():
    """The last rank comes two seconds late; says the processor time that waiting took."""
    core.barrier()
    before = time.process_time()
    if world.rank == world.ranks - 1:
        time.sleep(2)
    core.all_reduce([np.zeros(1000, np.float32)], True)
    return time.process_time() - before


def rounds():
    """Many small calls in a row, some ranks faster than others."""
    for step in range(2000):
        if step % (world.rank + 7) == 0:
            time.sleep(1e-4)
        array = np.full(3 + step % 5, world.rank + step, np.float32)
        core.all_reduce([array], False)
        assert (array == sum(r + step for r in range(world.ranks))).all(), step
        if step % 100 == 0:
            core.barrier()
            core.broadcast([array], step % world.ranks)
    return "right"


if __name__ == "__main__":
    case, *arguments = sys.argv[1].split()
    say(world.rank, globals()[case](*arguments))
    collective.leave()
