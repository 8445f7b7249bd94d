"""Each native op on small inputs, inside XLA programs as in a step, against numpy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from lambda_fast import native
from lambda_fast.doctor import Finding

RANKS_SECONDS = 60  # two ranks that need longer do not come


class WrongError(ArithmeticError):
    """An op whose result is not numpy's."""


def self_tests() -> Iterator[Finding]:
    """One finding for each op."""
    for op in (augment, convolution, batch_norm, resize, all_reduce):
        yield _finding(op)


def _finding(op: Callable[[], str]) -> Finding:
    name = f"self-test of {op.__name__}"
    begin = time.perf_counter()
    try:
        found = op()
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return Finding(name, "wrong", f"{type(error).__name__}: {first}", native.REBUILD)
    return Finding(name, "ok", f"{found}, in {time.perf_counter() - begin:.1f} s")


def _compare(found: np.ndarray, expected: np.ndarray, tolerance: float) -> float:
    """The greatest difference, as a share of the greatest value."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise WrongError(f"expected shape {expected.shape}, found {found.shape}")
    error = float(np.abs(found - expected).max() / max(1e-30, np.abs(expected).max()))
    if not error <= tolerance:
        raise WrongError(f"expected numpy's values within {tolerance:g}, found {error:g}")
    return error


def augment() -> str:
    """A random window, a flip and a normalisation, with numpy cutting what the dice say."""
    import tensorflow as tf

    from lambda_fast.augmenter.augment import augment as op
    from lambda_fast.augmenter.spec import AugmentSpec

    mean, std = (120.0, 110.0, 100.0), (50.0, 60.0, 70.0)
    crop = {"pad": 4, "height": 32, "width": 32, "crop": "random", "flip": 0.5}
    spec = AugmentSpec(**crop, normalize="channels", mean=mean, std=std)
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    ids = np.arange(16, dtype=np.int64)
    seed, epoch = tf.constant(7, tf.int64), tf.constant(3, tf.int64)
    run = tf.function(lambda *inputs: op(*inputs, spec), jit_compile=True)
    found = run(tf.constant(images), tf.constant(ids), seed, epoch).numpy()
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0))).astype(np.float64)
    expected = np.empty_like(found)
    for i in ids:
        dice = native.core().draw((32, 32, 3), int(i), 7, 3, spec.fields())
        y, x = dice["window"]["y"] + 4, dice["window"]["x"] + 4
        part = padded[i, y : y + 32, x : x + 32]
        expected[i] = ((part[:, ::-1] if dice["flip"] else part) - mean) / std
    return f"numpy's values within {_compare(found, expected, 1e-6):.0e}"


def convolution() -> str:
    """A convolution and both of its gradients, as the layer of the networks computes them."""
    import tensorflow as tf

    from lambda_fast.network.layers import Conv2D

    random = np.random.default_rng(0)
    x = random.standard_normal((4, 10, 10, 16)).astype(np.float32)
    dy = random.standard_normal((4, 10, 10, 16)).astype(np.float32)
    layer = Conv2D(16, 3)
    layer.build(x.shape)

    @tf.function(jit_compile=True)
    def run(x: tf.Tensor, dy: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return y, *tape.gradient(y, (x, layer.kernel.value), dy)

    y, dx, dkernel = run(tf.constant(x), tf.constant(dy))
    kernel = layer.kernel.numpy().astype(np.float64)
    pads = ((0, 0), (1, 1), (1, 1), (0, 0))
    wide_x, wide_dy = (np.pad(array.astype(np.float64), pads) for array in (x, dy))
    taps = [(i, j) for i in range(3) for j in range(3)]
    expected_y, expected_dx = np.zeros(y.shape), np.zeros(x.shape)
    expected_dkernel = np.zeros(kernel.shape)
    for i, j in taps:
        part = wide_x[:, i : i + 10, j : j + 10]
        expected_y += np.einsum("nyxi,io->nyxo", part, kernel[i, j])
        expected_dkernel[i, j] = np.einsum("nyxi,nyxo->io", part, dy)
        back = wide_dy[:, 2 - i : 12 - i, 2 - j : 12 - j]
        expected_dx += np.einsum("nyxo,io->nyxi", back, kernel[i, j])
    pairs = (y, expected_y), (dx, expected_dx), (dkernel, expected_dkernel)
    worst = max(_compare(found, expected, 1e-5) for found, expected in pairs)
    return f"output and gradients are numpy's within {worst:.0e}"


def batch_norm() -> str:
    """Normalisation with the batch's statistics, addition and ReLU, and its gradient."""
    import tensorflow as tf

    from lambda_fast.network.layers import BatchNormalization

    random = np.random.default_rng(0)
    x, residual, dy = (random.standard_normal((8, 6, 6, 16)).astype(np.float32) for _ in range(3))
    layer = BatchNormalization(relu=True)
    layer.build(x.shape)

    @tf.function(jit_compile=True)
    def run(x: tf.Tensor, residual: tf.Tensor, dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, residual, training=True)
        return y, tape.gradient(y, x, dy)

    y, dx = run(tf.constant(x), tf.constant(residual), tf.constant(dy))
    wide, axes = x.astype(np.float64), (0, 1, 2)
    deviation = np.sqrt(wide.var(axis=axes) + layer.epsilon)
    normal = (wide - wide.mean(axis=axes)) / deviation
    let_through = np.where(normal + residual > 0, dy, 0.0).astype(np.float64)
    expected_dx = (
        let_through - let_through.mean(axis=axes) - normal * (let_through * normal).mean(axis=axes)
    ) / deviation
    worst = max(
        _compare(y, np.maximum(normal + residual, 0), 1e-5), _compare(dx, expected_dx, 1e-4)
    )
    return f"output and gradient are numpy's within {worst:.0e}"


def resize() -> str:
    """Halving with antialiasing: each output is the mean of rows and columns by the triangle."""
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    found = np.empty((2, 8, 8, 3), np.uint8)
    windows = np.array([[0, 0, 16, 16]] * 2, np.int32)
    native.core().resize(found, list(images), windows, True, len(os.sched_getaffinity(0)))
    distances = np.abs(np.arange(16) + 0.5 - 2 * (np.arange(8) + 0.5)[:, None])
    triangle = np.maximum(0, 2 - distances)
    triangle /= triangle.sum(axis=1, keepdims=True)
    expected = np.einsum("or,nrcv,pc->nopv", triangle, images.astype(np.float64), triangle)
    error = float(np.abs(found - expected).max())
    if error > 1:
        raise WrongError(f"expected numpy's values within 1, found {error:.2f}")
    return f"numpy's values within {error:.2f} of 255"


_RANK = """
import numpy as np
from lambda_fast import native
from lambda_fast.runner import collective
here = collective.join()
own = np.arange(1000, dtype=np.float32) * (here.rank + 1)
native.core().all_reduce([own])
assert here.ranks == 2 and np.array_equal(own, np.arange(1000, dtype=np.float32) * 1.5), own
if here.rank == 0:
    print(here.through)
collective.leave()
"""


def all_reduce() -> str:
    """The mean over two ranks, which mpiexec starts."""
    if not native.core().build_info()["mpi"]:
        return "not built with MPI: one rank alone"
    from lambda_fast.runner.launching import mpiexec

    launched = ("PMI_", "PMIX_", "OMPI_", "SLURM_", "MPI_")
    alone = {name: value for name, value in os.environ.items() if not name.startswith(launched)}
    command = [mpiexec(), "-localhost", "127.0.0.1", "-n", "2", sys.executable, "-c", _RANK]
    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=RANKS_SECONDS)
    if done.returncode != 0:
        raise WrongError((done.stderr.strip().splitlines() or ["no word"])[-1])
    return f"numpy's mean over two ranks, through {done.stdout.strip()}"
