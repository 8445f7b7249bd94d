"""Sums among ranks, 4 KB to 256 MB, beside raw MPI, TensorFlow's ring and a parameter server.

Bandwidths are nccl-tests': algorithm = bytes / time, bus = algorithm · 2 (ranks - 1) / ranks. The
ranks are processes of their own, so the table is made from what they print.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import files
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks.interleave import PACES, Samples, System, is_quick, mode
from benchmarks.programs import python_path
from benchmarks.quiet import Watch
from lambda_fast.runner import collective

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"full": [1 << power for power in range(12, 29, 2)], "quick": [1 << 12, 1 << 16, 1 << 24]}
BLOCK = {"full": 0.3, "quick": 0.1}
SYSTEMS = ("lambda_fast", "mpi_all_reduce", "parameter_server", "tf_ring")
RANKS = [2] if is_quick() else [2, 4]
SECONDS = 600


@pytest.fixture(scope="module", params=RANKS, ids="{}ranks".format)
def measured(request: pytest.FixtureRequest) -> tuple[int, dict[int, dict[str, Samples]]]:
    ranks = request.param
    rounds = 1 if request.config.getoption("benchmark_disable") else PACES[mode()].rounds
    arguments = [str(rounds), str(BLOCK[mode()]), *map(str, SIZES[mode()])]
    with Watch() as watch:
        lines = list(_ranks(ranks, arguments))
        if ranks == 2:
            lines += _tf_ring(ranks, arguments)
    found: dict[int, dict[str, Samples]] = {}
    for line in map(json.loads, lines):
        facts = {"paired": line["system"] != "tf_ring"}  # which is a run of its own, afterwards
        system = System(name=line["system"], step=lambda: None, images=line["bytes"], facts=facts)
        samples = Samples(system, line["steps"], tuple(line["seconds"]), watch.others)
        found.setdefault(line["bytes"], {})[line["system"]] = samples
    return ranks, found


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("size", SIZES[mode()], ids=lambda size: _named(size).replace(" ", ""))
def test_all_reduce(measured: Any, size: int, system: str, record: Callable[..., None]):
    """float32 sums in place."""
    ranks, found = measured
    if system not in found.get(size, {}):
        pytest.skip(
            f"{system} was not timed at {_named(size)} with {ranks} ranks: tf_ring is started for "
            "2 alone, and what is too slow at a smaller size goes no further"
        )
    samples = found[size][system]
    record(samples, "all_reduce", f"{ranks} ranks, {_named(size)}", **_line(samples, ranks))


def _named(size: int) -> str:
    return f"{size >> 20} MB" if size >> 20 else f"{size >> 10} KB"


def _line(samples: Samples, ranks: int) -> dict[str, float]:
    seconds = median(samples.seconds) / samples.steps
    algorithm = samples.system.images / seconds / 1e9
    return {
        "microseconds": seconds * 1e6,
        "gigabytes_per_second": algorithm,
        "bus_gigabytes_per_second": algorithm * 2 * (ranks - 1) / ranks,
    }


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": python_path(), "CUDA_VISIBLE_DEVICES": "-1"}


def _ranks(ranks: int, arguments: list[str]) -> Iterator[str]:
    """Ours, raw MPI and the parameter server, in turns in one world."""
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if mpiexec is None:
        pytest.skip("mpiexec is missing: pip install mpich")
    header = next(f.locate() for f in files("mpich") or [] if f.name == "mpi_abi.h")
    with tempfile.TemporaryDirectory() as folder:
        peer = Path(folder) / "libmpi_all_reduce.so"
        subprocess.run(
            [
                *(os.environ.get("CXX", "c++"), "-O3", "-std=c++17", "-shared", "-fPIC"),
                f"-I{Path(header).resolve().parent}",
                *(ROOT / "benchmarks/peers/mpi_all_reduce.cc", collective.mpi_library()),
                *("-o", peer),
            ],
            check=True,
        )
        program = ROOT / "benchmarks/all_reduce_ranks.py"
        done = subprocess.run(
            [mpiexec, "-n", str(ranks), sys.executable, program, peer, *arguments],
            **{"capture_output": True, "text": True, "timeout": SECONDS, "env": _environment()},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    yield from (line for line in done.stdout.splitlines() if line.startswith("{"))


def _tf_ring(ranks: int, arguments: list[str]) -> list[str]:
    with ExitStack() as held:  # ports that are free, all at once
        sockets = [held.enter_context(socket.socket()) for _ in range(ranks)]
        for one in sockets:
            one.bind(("localhost", 0))
        workers = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    processes = []
    for index in range(ranks):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(
            subprocess.Popen(
                [sys.executable, ROOT / "benchmarks/peers/tf_ring.py", *arguments],
                env=_environment() | {"TF_CONFIG": json.dumps(task)},
                **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True},
            )
        )
    try:
        said = [process.communicate(timeout=SECONDS)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [line for line in said[0].splitlines() if line.startswith("{")]
