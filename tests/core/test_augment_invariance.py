"""An image's bytes depend on nothing but its key: no thread, batch, place or instruction set."""

import functools
import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import augment_cases
import numpy as np
import pytest

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

ROOT, TESTS = Path(native.__file__).parents[2], Path(augment_cases.__file__).parent
NAMES = [
    "random_padded",
    "cifar",
    "image_colours",
    "cifar_channels",
    "resized",
    "resized_image",
    "rand_cifar",
    "trivial",
]
DTYPES = ["float32", "bfloat16"]
COUNT = 61
FLAGS = {
    "portable": set(),
    "avx2": {"avx2"},
    "avx512": {"avx512bw", "avx512vl", "avx512dq"},
}
# Prints the instruction set in use, and the hash of every case.
HASHES = """
import augment_cases, json
from lambda_fast import native
hashes = {}
for name, (_, spec) in augment_cases.CASES.items():
    images, ids = augment_cases.inputs(name)
    for dtype in ("float32", "bfloat16"):
        key = augment_cases.SEED, augment_cases.EPOCH
        array = native.core().augment(images, ids, *key, spec, dtype, 2)
        hashes[name + " " + dtype] = augment_cases.sha256(array)
print(json.dumps([native.core().build_info()["isa"], hashes]))
"""


@functools.cache
def batch(shape):
    return augment_cases.images((COUNT, *shape)), augment_cases.sample_ids(COUNT)


def run(name, chosen=slice(None), dtype="float32", threads=1):
    """Augments the chosen images of a batch of 61."""
    shape, spec = augment_cases.CASES[name]
    images, ids = batch(shape[1:])
    key = augment_cases.SEED, augment_cases.EPOCH
    chosen = np.arange(COUNT)[chosen]
    return augment_numpy(images[chosen], ids[chosen], *key, AugmentSpec(**spec), dtype, threads)


def machine_has(isa):
    """Whether Linux lists the instruction set's flags; True elsewhere for `portable` alone."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    lines = [line for line in text.splitlines() if line.startswith("flags")]
    return FLAGS[isa] <= set(lines[0].split() if lines else [])


def run_hashes(isa):
    environment = {k: v for k, v in os.environ.items() if k != "LAMBDA_FAST_ISA"}
    if isa is not None:
        environment["LAMBDA_FAST_ISA"] = isa
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TESTS)])
    command = [sys.executable, "-c", HASHES]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def default_hashes():
    done = run_hashes(None)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [2, 3, 7, None])
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_threads(name, threads, dtype):
    assert run(name, dtype=dtype, threads=threads).tobytes() == run(name, dtype=dtype).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cuts", [[1, 5], [30], list(range(1, COUNT))], ids=["3", "2", "each"])
@pytest.mark.parametrize("name", NAMES)
def test_any_split_of_the_batch(name, cuts, dtype):
    ends = [0, *cuts, COUNT]
    pieces = [slice(*bounds) for bounds in itertools.pairwise(ends)]
    split = [run(name, piece, dtype) for piece in pieces]
    assert np.concatenate(split).tobytes() == run(name, dtype=dtype).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_any_order_of_the_batch(name):
    order = np.random.default_rng(0).permutation(COUNT)
    assert run(name, order, threads=3).tobytes() == run(name)[order].tobytes()


def test_the_same_image_twice_in_a_batch():
    twice = run("cifar", np.array([7, 3, 7]))
    assert twice[0].tobytes() == twice[2].tobytes() != twice[1].tobytes()


def test_other_ids_seeds_and_epochs_give_other_images():
    spec = AugmentSpec(**augment_cases.CASES["cifar"][1])
    images = np.repeat(augment_cases.images((1, 32, 32, 3)), 20, axis=0)
    outputs = [
        *augment_numpy(images, np.arange(20), 0, 0, spec),
        *(augment_numpy(images[:1], [0], seed, 0, spec)[0] for seed in range(1, 20)),
        *(augment_numpy(images[:1], [0], 0, epoch, spec)[0] for epoch in range(1, 20)),
    ]
    assert len({output.tobytes() for output in outputs}) == len(outputs) == 58


def test_callers_in_parallel_do_not_meet():
    # Workers keep their buffers between calls: large and small plans alternate in each.
    jobs = [(name, dtype) for name in [*NAMES, "resized_down", "flip_wide"] for dtype in DTYPES] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda job: run(job[0], slice(3), job[1], threads=2), jobs))
    for job, output in zip(jobs, found, strict=True):
        assert output.tobytes() == run(job[0], slice(3), job[1]).tobytes(), job


def test_inputs_are_left_as_they_are():
    images, ids = augment_cases.inputs("cifar")
    before = images.tobytes(), ids.tobytes()
    augment_numpy(images, ids, 0, 0, AugmentSpec(**augment_cases.CASES["cifar"][1]))
    assert (images.tobytes(), ids.tobytes()) == before


@pytest.mark.parametrize("isa", FLAGS)
def test_any_instruction_set(isa, default_hashes):
    if not machine_has(isa):
        pytest.skip(f"this machine has no {isa}")
    done = run_hashes(isa)
    assert done.returncode == 0, done.stderr
    used, hashes = json.loads(done.stdout)
    assert used == isa
    assert len(set(hashes.values())) > 60
    assert hashes == default_hashes[1]


def test_the_best_instruction_set_is_the_default(default_hashes):
    assert default_hashes[0] == [isa for isa in FLAGS if machine_has(isa)][-1]


def test_an_unknown_instruction_set_is_refused():
    done = run_hashes("sse9")
    assert done.returncode != 0
    assert "[LAMBDA_FAST_ISA] expected portable" in done.stderr
    assert "found 'sse9'" in done.stderr
