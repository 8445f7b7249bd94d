"""Prefetch: prepares the batches that will be asked for next, in the background and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Key = tuple[int, int]  # epoch, step
Begun = TypeVar("Begun")
Batch = TypeVar("Batch")


class Prefetch(Generic[Begun, Batch]):
    """Batches are functions of their key, so it does not matter who makes them, or when.

    Whoever asks out of turn (a run that resumes) gets what it asks for, and preparing goes on from
    there. An error is raised when its batch is asked for.

    Args:
        begin: starts to read what a batch needs and returns at once.
        finish: makes the batch of it; called by `workers` threads.
        following: the key after a key; none at the end.
        depth: batches begun ahead.
        workers: batches finished at the same time.
    """

    def __init__(
        self,
        begin: Callable[[Key], Begun],
        finish: Callable[[Key, Begun], Batch],
        following: Callable[[Key], Key | None],
        depth: int,
        workers: int,
    ) -> None:
        self._begin, self._finish, self._following = begin, finish, following
        self._depth = depth
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inputter")
        self._ready: deque[tuple[Key, Future[Batch]]] = deque()
        self._next: Key | None = None

    def get(self, key: Key) -> Batch:
        """The batch of this key; those after it are begun before it is waited for."""
        if not self._ready or self._ready[0][0] != key:
            self.forget()
            self._next = key
        self._begin_ahead()
        _, future = self._ready.popleft()
        self._begin_ahead()
        return future.result()

    def _begin_ahead(self) -> None:
        while self._next is not None and len(self._ready) < self._depth:
            key = self._next
            self._ready.append((key, self._pool.submit(self._finish, key, self._begin(key))))
            self._next = self._following(key)

    def forget(self) -> None:
        """Drops what was prepared."""
        for _, future in self._ready:
            future.cancel()
        self._ready.clear()
        self._next = None

    def close(self) -> None:
        """Drops what was prepared and waits for what is at work."""
        self.forget()
        self._pool.shutdown(wait=True, cancel_futures=True)
