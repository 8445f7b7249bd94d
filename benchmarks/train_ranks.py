"""One rank of bench_train_ranks: makes as many training steps as it is told to, and times them.

Started by mpiexec, or alone, with the precision. Rank 0 reads lines of JSON `[what, count]`, `step`
or `all_reduce`, and prints one of `[seconds, loss]` for each; the others follow it.
"""

import dataclasses
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from lambda_fast import native
from lambda_fast.runner import collective
from lambda_fast.runner.world import World, take_devices, world_of

IMAGES, GLOBAL_BATCH = 4096, 128
LEARNING_RATE = 0.01
WORK = ("end", "step", "all_reduce")


def main() -> None:
    own = world_of(os.environ) or World()
    take_devices(own, launched=True)
    collective.join()
    work = _work(sys.argv[1], own)
    core = native.core()
    while True:
        order = np.zeros(2, np.int64)
        if own.rank == 0:
            what, times = json.loads(sys.stdin.readline() or '["end", 0]')
            order[:] = WORK.index(what), times
        core.broadcast([order], 0)  # where the others sleep meanwhile
        if order[0] == 0:
            break
        found = _block(work[WORK[order[0]]], int(order[1]))
        if own.rank == 0:
            print(json.dumps(found), flush=True)
    collective.leave()


def _work(precision: str, own: World) -> dict[str, Callable[[], float]]:
    """The step as the runner makes it, loss read; and its collective alone, on arrays alike."""
    from benchmarks.images import cifar
    from lambda_fast.configs.cifar10 import recipe
    from lambda_fast.data.cifar10 import CLASS_NAMES
    from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
    from lambda_fast.inputter.order import Order
    from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler

    images, labels, _ = cifar(IMAGES)
    config = recipe()
    learning: dict[str, Any] = {"schedule": "constant", "warmup_epochs": 0.0}
    learning |= {"precision": precision, "learning_rate": LEARNING_RATE}
    modeler_config = dataclasses.replace(config.modeler, **learning)
    batch = GLOBAL_BATCH // own.ranks
    config = dataclasses.replace(
        config, gpu_count=own.ranks, batch_size_per_gpu=batch, modeler=modeler_config
    )
    shares = {"rank": own.rank, "ranks": own.ranks, "seed": 0, "shuffle": True, "complete": False}
    order = Order(samples=len(images), batch_size=batch, **shares)
    inputter = InMemoryInputter(images, labels, CLASS_NAMES, order)
    modeler = ImageClassificationModeler(config, inputter, "train")
    steps = count()
    arrays = [np.zeros(each.shape, np.float32) for each in modeler.model.variables]

    def step() -> float:
        epoch, index = divmod(next(steps), inputter.steps_per_epoch)
        return float(modeler.train_step(inputter.batch(epoch, index))["loss"])

    def all_reduce() -> float:
        native.core().all_reduce(arrays, True)
        return 0.0

    return {"step": step, "all_reduce": all_reduce}


def _block(work: Callable[[], float], times: int) -> tuple[float, float]:
    """Seconds from the first rank's start to the last one's end, and the last loss."""
    core = native.core()
    gc.disable()
    core.barrier()
    begin = time.perf_counter()
    for _ in range(times):
        loss = work()
    core.barrier()
    gc.enable()
    return time.perf_counter() - begin, loss


if __name__ == "__main__":
    main()
