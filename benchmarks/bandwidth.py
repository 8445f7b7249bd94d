"""The memory bandwidth of the machine, the limit of any augmenter: what bytes may move a second."""

import threading
import time

import numpy as np

ARRAY_BYTES = 64 * 2**20  # above the last cache of any machine that we know of, times two arrays


def copy_bandwidth(threads: int, seconds: float = 1.0) -> float:
    """Bytes a second that parallel copies move, read and written ones counted (STREAM's "copy").

    Args:
        threads: each copies an array of its own.
        seconds: how long.
    """
    gate = threading.Barrier(threads)
    rates = []

    def work() -> None:
        source = np.random.default_rng(0).random(ARRAY_BYTES // 8)
        target = np.zeros_like(source)  # zeros alone would leave the pages unmapped
        np.copyto(target, source)
        gate.wait()
        copies, begin = 0, time.perf_counter()
        while (took := time.perf_counter() - begin) < seconds:
            np.copyto(target, source)  # without the GIL
            copies += 1
        rates.append(copies * 2 * source.nbytes / took)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)
