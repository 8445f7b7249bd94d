"""Beat: a rank's line to the watch, which ends this process when the job ends."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from typing import Any

from lambda_fast.command import EXIT_ERROR
from lambda_fast.errors import UserError
from lambda_fast.runner.watching import BEAT


class RendezvousError(UserError, ConnectionError):
    """The watch that this rank was told of is not there, or not its own."""


class Beat:
    """Beats from a thread of its own, so that a long compilation is no silence.

    Args:
        address: `host:port` of the watch.
        token: of the run.
        rank: of this process.
        patience: seconds without an answer after which the watch counts as lost; none: only its
            end counts.

    Raises:
        RendezvousError: nobody is there, or the watch of another run.
    """

    def __init__(self, address: str, token: str, rank: int, patience: float | None = None) -> None:
        self.rank = rank
        self.step, self.doing = 0, "start"
        self._lock = threading.Lock()
        host, _, port = address.rpartition(":")
        try:
            self._connection = socket.create_connection((host, int(port)), timeout=10)
            self._lines = self._connection.makefile()
            self._send(token=token, rank=rank, pid=os.getpid())
            answer = json.loads(self._lines.readline() or "{}")
        except (OSError, ValueError) as error:
            raise RendezvousError(
                f"[rendezvous] expected this run's watch at {address}, found: {error}. It is of a "
                "run that has ended: unset LAMBDA_FAST_WATCH and LAMBDA_FAST_TOKEN"
            ) from error
        if "welcome" not in answer:
            raise RendezvousError(
                f"[rendezvous] expected this run's watch at {address}, found one that calls this "
                f"{answer.get('refused', 'nothing')}. Unset LAMBDA_FAST_WATCH and LAMBDA_FAST_TOKEN"
            )
        self._patience = patience
        self._connection.settimeout(patience)
        self._closing = False
        for body in (self._beat, self._listen):
            threading.Thread(target=body, daemon=True, name="beat").start()

    def tell(self, step: int, doing: str) -> None:
        """Tells what this rank begins, so that the watch knows it even if it dies at once."""
        self.step, self.doing = step, doing
        with contextlib.suppress(OSError):  # _listen notices
            self._send(step=step, doing=doing)

    def fault(self, message: str, mendable: bool) -> None:
        """Tells that this rank has failed, and waits a moment for the watch to end the job."""
        self._closing = True
        self._send(fault=message, mendable=mendable, step=self.step, doing=self.doing)

    def done(self, code: int) -> None:
        """Tells that this rank is through."""
        self._closing = True
        self._send(done=code, step=self.step)

    def _send(self, **message: Any) -> None:
        with self._lock:
            self._connection.sendall(f"{json.dumps(message)}\n".encode())

    def _beat(self) -> None:
        while not self._closing:
            try:
                self._send(beat=1, step=self.step, doing=self.doing)
            except OSError:
                return  # _listen notices
            time.sleep(BEAT)

    def _listen(self) -> None:
        found = "gone"
        try:
            for line in self._lines:
                message = json.loads(line)
                if "signal" in message:
                    os.kill(os.getpid(), message["signal"])
                if "end" in message:
                    os._exit(EXIT_ERROR)
        except TimeoutError:
            found = f"silence for {self._patience:.0f} s"
        except (OSError, ValueError):
            pass
        if self._closing:
            return
        if self._patience is not None and self.rank == 1:  # rank 0 was the watch
            print(
                f"error: [rank 0] expected a sign of life each second, found {found}. Rank 1's "
                f"last step was {self.step}; it was doing: {self.doing}",
                file=sys.stderr,
                flush=True,
            )
        os._exit(EXIT_ERROR)
