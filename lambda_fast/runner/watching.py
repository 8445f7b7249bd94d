"""Watch: hears every rank about once a second, and notices the one that died, hangs or failed.

A rank opens one TCP connection and sends lines of JSON: first who it is, with the run's token, then
its beats (`step`, `doing`) and what it begins between them, at the end `done` or `fault`. What the
watch sends back: `welcome` or `refused`, an `ok` for each beat, `signal`, and `end`.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

BEAT = 1.0  # seconds between two beats


@dataclass
class Seen:
    """What is known of one rank."""

    connection: socket.socket | None = None
    pid: int = 0
    step: int = 0
    doing: str = "start"
    beat: float = field(default_factory=time.monotonic)
    done: int | None = None


@dataclass(frozen=True)
class Fault:
    """Why the job ends.

    Attributes:
        message: one line for the person at the terminal.
        mendable: an error of the user's, which would come again after a restart.
    """

    message: str
    mendable: bool = False


class Watch:
    """The service, on threads of its own.

    Args:
        ranks: that will come.
        timeout: seconds in which the whole job must be ended; half of it is for noticing.
        host: address to listen at; loopback where all ranks are on this machine.
    """

    def __init__(self, ranks: int, timeout: float, host: str = "127.0.0.1") -> None:
        self.token = secrets.token_hex(16)
        self.fault: Fault | None = None
        self.ended = threading.Event()  # a fault, or all ranks done
        self.ranks = {rank: Seen() for rank in range(ranks)}
        self._silent = timeout / 2
        self._lock = threading.Lock()
        self._server = socket.create_server((host, 0))
        self.port = self._server.getsockname()[1]
        for body in (self._accept, self._look):
            threading.Thread(target=body, daemon=True, name="watch").start()

    def code(self) -> int:
        """Rank 0's exit code, once it is done."""
        return self.ranks[0].done or 0

    def tell(self, **message: Any) -> None:
        """Sends a message to all ranks that are still there."""
        for seen in self.ranks.values():
            if seen.connection is not None and seen.done is None:
                _send(seen.connection, message)

    def close(self) -> None:
        """Ends the service; ranks that are still connected end as well."""
        self._server.close()
        for seen in self.ranks.values():
            if seen.connection is not None:
                with contextlib.suppress(OSError):
                    seen.connection.shutdown(socket.SHUT_RDWR)

    def end(self, message: str, mendable: bool = False) -> None:
        """Ends the job; the first reason stays."""
        with self._lock:
            if not self.ended.is_set():
                self.fault = Fault(message, mendable)
                self.ended.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            lines = connection.makefile()
            hello = json.loads(lines.readline(4096))
            rank, seen = hello["rank"], self.ranks.get(hello["rank"])
            known = hmac.compare_digest(hello["token"], self.token)
            if not known or seen is None or seen.connection is not None:
                found = "a rank of another run" if not known else f"a second rank {rank}"
                _send(connection, {"refused": found})
                return
            seen.connection, seen.pid, seen.beat = connection, hello["pid"], time.monotonic()
            _send(connection, {"welcome": rank})
            with contextlib.suppress(OSError, ValueError):
                for line in lines:
                    self._note(rank, seen, json.loads(line))
            if seen.done is None:
                self.end(
                    f"[rank {rank}] expected to go on, found its process ({seen.pid}) gone. "
                    f"{_where(seen)}"
                )

    def _note(self, rank: int, seen: Seen, message: dict[str, Any]) -> None:
        seen.beat = time.monotonic()
        seen.step, seen.doing = message.get("step", seen.step), message.get("doing", seen.doing)
        if "fault" in message:
            self.end(f"{message['fault']} (rank {rank}. {_where(seen)})", message["mendable"])
        elif "done" in message:
            seen.done = message["done"]
            if all(each.done is not None for each in self.ranks.values()):
                self.ended.set()
        elif "beat" in message:
            _send(seen.connection, {"ok": 1})

    def _look(self) -> None:
        while not self.ended.wait(min(BEAT, self._silent) / 4):
            now = time.monotonic()
            for rank, seen in self.ranks.items():
                # Starting Python on a busy machine may take longer than a beat may.
                allowed = self._silent if seen.connection else max(self._silent, 30.0)
                if seen.done is None and now - seen.beat > allowed:
                    found = "silence" if seen.connection else "that it never came"
                    self.end(
                        f"[rank {rank}] expected a sign of life each second, found {found} for "
                        f"{now - seen.beat:.0f} s (process {seen.pid}). {_where(seen)}"
                    )


def _where(seen: Seen) -> str:
    return f"Its last step was {seen.step}; it was doing: {seen.doing}"


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(f"{json.dumps(message)}\n".encode())
