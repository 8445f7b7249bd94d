"""One rank of test_nccl_gpu: sums arrays on the GPU and compares them with numpy's sums.

Lists of one two-byte type have numpy's bytes; where float32 travels, NCCL chooses the order.
"""

import itertools
import sys

import cupy
import ml_dtypes
import numpy as np

from lambda_fast import native
from lambda_fast.runner import collective

core = native.core()
core.join_world(collective.mpi_library(), collective.nccl_library())
world = collective.world()
assert world.gpu_through == "NCCL"
BUSY = cupy.RawKernel(
    r"""extern "C" __global__ void busy(long long cycles) {
      const long long start = clock64();
      while (clock64() - start < cycles) {}
    }""",
    "busy",
)


DTYPES = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
# CuPy has no bfloat16: its bits travel.
STORED = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


def values(rank, count, dtype):
    return np.random.default_rng([rank, count]).standard_normal(count).astype(DTYPES[dtype])


def expected(count, dtype, mean):
    """Float32 sums from rank 0 up, divided, and rounded once to the type."""
    total = values(0, count, dtype).astype(np.float32)
    for rank in range(1, world.ranks):
        total += values(rank, count, dtype).astype(np.float32)
    return (total / np.float32(world.ranks if mean else 1)).astype(DTYPES[dtype])


SHAPES = [
    (1, "float32"),
    (15, "float16"),
    (0, "float32"),
    (100_003, "float32"),
    (70_001, "float16"),
]
SHAPES += [(3 + i, "float32") for i in range(150)]  # more than one launch's table holds
stream = cupy.cuda.Stream(non_blocking=True)
LISTS = [SHAPES]
LISTS += [[(count, dtype) for count in (1, 0, 100_003, 37)] for dtype in ("float16", "bfloat16")]
for mean, shapes in itertools.product((True, False), LISTS):
    for _ in range(3):
        with stream:
            arrays = [cupy.zeros(count, STORED[dtype]) for count, dtype in shapes]
            given = [cupy.asarray(values(world.rank, *s).view(STORED[s[1]])) for s in shapes]
            BUSY((1,), (1,), (np.int64(50_000_000),))  # so that work queued elsewhere sees zeros
            for array, value in zip(arrays, given, strict=True):
                array[...] = value
            pointers = [
                (array.data.ptr, *shape) for array, shape in zip(arrays, shapes, strict=True)
            ]
            core.all_reduce_device(pointers, mean, stream.ptr)
        stream.synchronize()
        for array, shape in zip(arrays, shapes, strict=True):
            found, wanted = array.get(), expected(*shape, mean)
            if shapes is SHAPES:
                rounding = 2.0**-10 if shape[1] == "float16" else 2.0**-21
                np.testing.assert_allclose(found, wanted, rtol=rounding, atol=rounding)
            else:
                np.testing.assert_array_equal(found.view(np.uint16), wanted.view(np.uint16))
assert (core.collective_seconds() > 0) == (world.ranks > 1)
# Sums queued behind one another while the first one has not begun.
with stream:
    given = cupy.full(1000, world.rank + 1, np.float32)
    BUSY((1,), (1,), (np.int64(200_000_000),))
    for _ in range(4):
        core.all_reduce_device([(given.data.ptr, given.size, "float32")], False, stream.ptr)
    assert not stream.done, "the calls waited for the device"
stream.synchronize()
total = sum(rank + 1 for rank in range(world.ranks)) * world.ranks**3
np.testing.assert_array_equal(given.get(), np.full(1000, total, np.float32))
core.barrier()
core.mute_collectives(True)
before = [array.get() for array in arrays]
core.all_reduce_device(pointers, True, stream.ptr)
stream.synchronize()
for array, kept in zip(arrays, before, strict=True):
    np.testing.assert_array_equal(array.get(), kept)
core.barrier()
core.mute_collectives(False)
if "abort" in sys.argv:
    core.abort_world()
    try:
        core.all_reduce_device(pointers, True, stream.ptr)
    except RuntimeError as error:
        assert "was ended" in str(error)
    else:
        raise AssertionError("a call after abort must fail")
print("right", flush=True)
collective.leave()
