"""One rank of test_nccl_gpu: sums arrays on the GPU and compares them with numpy's sums."""

import sys

import cupy
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


def values(rank, count, dtype):
    return np.random.default_rng([rank, count]).standard_normal(count).astype(dtype)


SHAPES = [
    (1, "float32"),
    (15, "float16"),
    (0, "float32"),
    (100_003, "float32"),
    (70_001, "float16"),
]
SHAPES += [(3 + i, "float32") for i in range(150)]  # more than one launch's table holds
stream = cupy.cuda.Stream(non_blocking=True)
HALVES = [(count, "float16") for count in (1, 0, 100_003, 37)]  # travel as they are
for mean, shapes in ((True, SHAPES), (False, SHAPES), (True, HALVES), (False, HALVES)):
    for _ in range(3):
        with stream:
            arrays = [cupy.zeros(count, dtype) for count, dtype in shapes]
            given = [cupy.asarray(values(world.rank, *shape)) for shape in shapes]
            BUSY((1,), (1,), (np.int64(50_000_000),))  # so that work queued elsewhere sees zeros
            for array, value in zip(arrays, given, strict=True):
                array[...] = value
            pointers = [(a.data.ptr, a.size, str(a.dtype)) for a in arrays]
            core.all_reduce_device(pointers, mean, stream.ptr)
        stream.synchronize()
        for array, shape in zip(arrays, shapes, strict=True):
            wide = sum(values(r, *shape).astype(np.float64) for r in range(world.ranks))
            exact = wide / (world.ranks if mean else 1)
            rounding = 2.0**-10 if shape[1] == "float16" else 2.0**-21
            np.testing.assert_allclose(array.get(), exact, rtol=rounding, atol=rounding)
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
