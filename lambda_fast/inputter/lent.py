"""Lent memory: what DALI made and TensorFlow reads stays until the device has read it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any


class Lent:
    """Memory of DALI's that TensorFlow reads, kept until the device has read it.

    TensorFlow lets a tensor go once the program that reads it is queued. That is right for its own
    memory, whose next owner works on the same stream; DALI's next owner has another one.

    Args:
        wait: waits until the device has done all that was queued.
        most: tensors let go that are kept without waiting.
    """

    def __init__(self, wait: Callable[[], None], most: int = 4) -> None:
        self._wait = wait
        self._most = most
        self._lock = threading.Lock()
        self._kept: list[tuple[weakref.ref[Any], Any]] = []

    def keep(self, tensor: Any, memory: Any) -> None:
        """Keeps the memory of a tensor that nobody has read yet."""
        with self._lock:
            self._kept.append((weakref.ref(tensor), memory))
            let_go, held = [], []
            for kept in self._kept:
                (let_go if kept[0]() is None else held).append(kept)
            if len(let_go) <= self._most:
                return
            self._kept = held
        self._wait()
        del let_go  # not before
