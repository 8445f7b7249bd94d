"""Joining: a process that mpiexec or srun started becomes a rank, watched while it is one."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

import numpy as np

from lambda_fast import native
from lambda_fast.command import EXIT_ERROR
from lambda_fast.config import Config, ConfigError
from lambda_fast.errors import UserError
from lambda_fast.runner import collective
from lambda_fast.runner.beating import Beat, RendezvousError
from lambda_fast.runner.watching import Watch
from lambda_fast.runner.world import World, fitted, gpus_present, take_devices

WATCH, TOKEN = "LAMBDA_FAST_WATCH", "LAMBDA_FAST_TOKEN"
_line: Beat | None = None


def beat() -> Beat | None:
    """This rank's line to the watch."""
    return _line


def as_rank(config: Config, world: World, body: Callable[[Config], int]) -> int:
    """Joins the world, runs the body on the config that fits it, and leaves.

    An error is told to the watch, which says it once and ends all ranks; this function does not
    return then.

    Returns:
        The exit code.
    """
    global _line
    launched = WATCH in os.environ
    if world.rank > 0:  # rank 0 alone talks
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        if launched:
            _line = Beat(os.environ[WATCH], os.environ.get(TOKEN, ""), world.rank)
        config = fitted(config, world)
        take_devices(world, launched)
        joined = collective.join(gpus_present() > 0, config.runner.timeout)
        if (joined.rank, joined.ranks) != (world.rank, world.ranks):
            raise ConfigError(
                f"[mpi] expected rank {world.rank} of {world.ranks}, found {joined.rank} of "
                f"{joined.ranks}. "
                "mpiexec or srun is of another MPI: LAMBDA_FAST_MPI_LIBRARY names its library"
            )
        if not launched:
            _line = _watched(config, world)
        code = body(config)
        _line.done(code)
        collective.leave()
    except BaseException as error:
        _fail(error, world)
    return 0 if launched else code


def _watched(config: Config, world: World) -> Beat:
    """Rank 0 watches; the others learn through MPI where, and the run's token."""
    timeout = config.runner.timeout
    rendezvous = np.zeros(256, np.uint8)
    if world.rank == 0:
        watch = Watch(world.ranks, timeout, host="")
        threading.Thread(target=_end_with, args=(watch,), daemon=True, name="watch").start()
        content = f"{_own_address()}:{watch.port} {watch.token}".encode()
        rendezvous[: len(content)] = np.frombuffer(content, np.uint8)
    native.core().broadcast([rendezvous], 0)
    address, token = rendezvous.tobytes().rstrip(b"\0").decode().split()
    if world.rank == 0:
        address = f"127.0.0.1:{address.rpartition(':')[2]}"
    return Beat(address, token, world.rank, patience=timeout / 2)


def _own_address() -> str:
    """This host's address as the other hosts see it."""
    given = os.environ.get("LAMBDA_FAST_HOST")
    return given or socket.gethostbyname(socket.gethostname())


def _end_with(watch: Watch) -> None:
    watch.ended.wait()
    if watch.fault is None:
        return
    print(f"error: {watch.fault.message}", file=sys.stderr, flush=True)
    watch.tell(end=True)
    time.sleep(1)  # so that the others leave by themselves
    os._exit(EXIT_ERROR)


def _fail(error: BaseException, world: World) -> None:
    """Ends this process; what the others still wait for will not come."""
    mendable = isinstance(error, UserError | OSError)
    text = str(error)
    if not mendable:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119
        first = (text.splitlines() or [""])[0]
        text = f"[{type(error).__name__}] {first} (at {where})"
    told = False
    if _line is not None:
        with contextlib.suppress(OSError):
            _line.fault(text, mendable)
            told = True
    if not told and (world.rank == 0 or isinstance(error, RendezvousError)):
        print(f"error: {text}", file=sys.stderr, flush=True)
    time.sleep(3 if told else 0)  # the watch ends all ranks meanwhile
    os._exit(EXIT_ERROR)
