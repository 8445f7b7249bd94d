"""One process of TensorFlow's ring (CollectiveReduceV2 over gRPC), for bench_all_reduce.

Started with TF_CONFIG and, as arguments, rounds, seconds a block, and sizes in bytes. The first
process prints a JSON line `{system, bytes, steps, seconds}` for each size.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import tensorflow as tf


def main() -> None:
    rounds, seconds, *sizes = sys.argv[1:]
    tf.config.threading.set_intra_op_parallelism_threads(1)
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    strategy = tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=tf.distribute.experimental.CommunicationOptions(implementation=ring)
    )

    @tf.function
    def reduced(values: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=values,
            group_size=strategy.num_replicas_in_sync,
            group_key=100,
            instance_key=tf.size(values),  # one for each shape
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
            communication_hint="ring",
        )

    first = json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0
    for size in map(int, sizes):
        values = tf.range(size // 4, dtype=tf.float32)
        total = reduced(values)
        assert bool(tf.reduce_all(total == values * strategy.num_replicas_in_sync))

        def step(values: tf.Tensor = values) -> tf.Tensor:
            return reduced(values)

        took = _block(step, 4) / 4
        # The same number everywhere: the mean of what each process measured.
        shared = float(reduced(tf.constant([took]))[0]) / strategy.num_replicas_in_sync
        steps = max(1, round(float(seconds) / shared))
        blocks = [_block(step, steps) for _ in range(int(rounds))]
        if first:
            row = {"system": "tf_ring", "bytes": size, "steps": steps, "seconds": blocks}
            print(json.dumps(row), flush=True)


def _block(step: Callable[[], tf.Tensor], steps: int) -> float:
    begin = time.perf_counter()
    for _ in range(steps):
        result = step()
    result.numpy()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
