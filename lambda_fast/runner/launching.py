"""Launching: the train command starts its ranks through mpiexec and supervises them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files
from typing import IO, Any

from lambda_fast.command import EXIT_ERROR, EXIT_INTERRUPTED
from lambda_fast.config import Config
from lambda_fast.runner.collective import LIBRARY, CollectiveError
from lambda_fast.runner.descendants import adopt_orphans, kill_descendants
from lambda_fast.runner.joining import TOKEN, WATCH
from lambda_fast.runner.watching import Watch
from lambda_fast.runner.world import check_devices, gpus_present

# What mpiexec itself says of a job that we end.
_NOISE = re.compile(rb"^(\[mpiexec@|\[proxy:|=+\s*$|=   |YOUR APPLICATION|This typically)")


def mpiexec(package: str = "mpich") -> str:
    """The path of the wheel's mpiexec; with an MPI library of the user's, of the one on the PATH.

    Raises:
        CollectiveError: there is none.
    """
    if os.environ.get(LIBRARY):
        found = shutil.which("mpiexec")
        if found:
            return found
        raise CollectiveError(
            f"[mpiexec] expected mpiexec on the PATH, because {LIBRARY} is set; found none. Put "
            f"that MPI's bin folder on the PATH, or unset {LIBRARY} and pip install mpich"
        )
    try:
        paths = [file for file in files(package) or [] if file.name.startswith("mpiexec")]
        return str(min((path.locate() for path in paths), key=lambda path: len(str(path))))
    except (PackageNotFoundError, ValueError) as error:
        raise CollectiveError(
            f"[mpiexec] expected the package {package}, which starts the ranks; found none. "
            "pip install mpich"
        ) from error


def launch(config: Config, arguments: Sequence[str] | None) -> int:
    """Runs the command on `gpu_count` ranks of this machine, again after a fault if so asked.

    Returns:
        The exit code, of rank 0 where there was no fault.

    Raises:
        ConfigError: more ranks than GPUs.
        CollectiveError: no mpiexec.
    """
    check_devices(config.gpu_count, gpus_present())
    own = sys.orig_argv[1:] if arguments is None else ["-m", "lambda_fast.train", *arguments]
    command = [mpiexec(), "-localhost", "127.0.0.1", "-disable-auto-cleanup"]
    command += ["-n", str(config.gpu_count), sys.executable, *own]
    adopt_orphans()
    restarts = config.runner.restarts
    for attempt in range(restarts + 1):
        job = _Job(command, config)
        code = job.run()
        fault = job.watch.fault
        if fault is None or job.stopping is not None:
            return code
        print(f"error: {fault.message}", file=sys.stderr, flush=True)
        if fault.mendable or attempt == restarts:
            break
        print(
            f"restart {attempt + 1} of {restarts}, from the last checkpoint",
            file=sys.stderr,
            flush=True,
        )
    return EXIT_ERROR


class _Job:
    """One start of all ranks."""

    def __init__(self, command: list[str], config: Config) -> None:
        self.stopping: str | None = None
        self.watch = Watch(config.gpu_count, config.runner.timeout)
        self._command = command

    def run(self) -> int:
        """Returns rank 0's exit code when nothing of the job is left."""
        watch = self.watch
        environment = {WATCH: f"127.0.0.1:{watch.port}", TOKEN: watch.token}
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._stop) for number in numbers]
        # A session of its own: Ctrl-C comes to this process alone, which passes it on.
        process = subprocess.Popen(
            self._command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        pairs = (process.stdout, sys.stdout), (process.stderr, sys.stderr)
        talk = [threading.Thread(target=_forward, args=pair, daemon=True) for pair in pairs]
        for thread in talk:
            thread.start()
        try:
            while not watch.ended.wait(0.2):
                if process.poll() is not None and not watch.ended.wait(1.0):
                    watch.end(f"[mpiexec] expected all ranks to end, found code {process.poll()}")
            if watch.fault is None:
                self._wait(process)
        finally:
            kill_descendants(process)
            watch.close()
            for thread in talk:
                thread.join(timeout=5)
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
        if self.stopping is not None and watch.fault is not None:
            print(f"stopped by {self.stopping}; what was not saved is lost", file=sys.stderr)
            return EXIT_INTERRUPTED
        return watch.code()

    @staticmethod
    def _wait(process: subprocess.Popen) -> None:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            print("mpiexec did not end by itself", file=sys.stderr)

    def _stop(self, number: int, _: Any) -> None:
        """The first signal is passed on, and the ranks save; a second one ends at once."""
        started = any(seen.connection is not None for seen in self.watch.ranks.values())
        if self.stopping is not None or not started:
            self.watch.end("stopped")
        self.stopping = signal.Signals(number).name
        self.watch.tell(signal=number)


def _forward(source: IO[bytes], target: Any) -> None:
    """Passes on what the ranks say, line by line."""
    for line in source:
        if not _NOISE.match(line):
            target.write(line.decode(errors="replace"))
            target.flush()
