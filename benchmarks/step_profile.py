"""Where the time of a compiled training step goes, by kind of op.

Example: python -m benchmarks.step_profile bfloat16
"""

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path

import tensorflow as tf

from benchmarks.bench_train import BATCH, _config, _modeler
from benchmarks.images import cifar

STEPS = 20
KINDS = {  # the beginnings of XLA's names
    "LambdaFast_Conv2DBackpropFilter": "convolution, gradient of the kernel",
    "LambdaFast_Conv2DBackpropInput": "convolution, gradient of the input",
    "LambdaFast_Conv2D": "convolution, forward",
    "LambdaFast_BatchNormGrad": "normalisation, addition, ReLU, backward",
    "LambdaFast_BatchNorm": "normalisation, addition, ReLU, forward",
    "LambdaFast_Augment": "augmentation",
}
STEP = "CpuExecutable::ExecuteAsyncOnStream"


def profile(precision: str) -> tuple[float, dict[str, float]]:
    """Milliseconds of a step inside XLA, and of each kind of op in it.

    Args:
        precision: float32 or bfloat16.
    """
    images, labels, _ = cifar(32 * BATCH)
    system = _modeler(images, labels, _config(precision))
    for _ in range(5):
        system.step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(STEPS):
                system.step()
        return _read(next(Path(folder).rglob("*.xplane.pb")))


def _read(path: Path) -> tuple[float, dict[str, float]]:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(path.read_bytes())
    total, kinds = 0.0, Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                milliseconds = event.duration_ps / 1e9 / STEPS
                if name == STEP:
                    total += milliseconds
                elif kind := _kind(name):
                    kinds[kind] += milliseconds
    return total, kinds


def _kind(name: str) -> str | None:
    if re.fullmatch(r"[\w-]+\.\d+(\.clone)*", name) is None and "fusion" not in name:
        return None  # the runtime's own events
    for beginning, kind in KINDS.items():
        if name.startswith(beginning):
            return kind
    if "add" in name and "fusion" in name:
        return "XLA: additions of gradients"
    return "XLA: update, statistics, loss"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("precision", choices=["float32", "bfloat16"])
    total, kinds = profile(parser.parse_args().precision)
    left = total - sum(kinds.values())
    for kind, milliseconds in [
        *sorted(kinds.items(), key=lambda item: -item[1]),
        ("between, less what ran at the same time", left),
    ]:
        print(f"| {kind} | {milliseconds:.2f} ms | {milliseconds / total:.1%} |")
    print(f"| step in XLA, batch {BATCH} | {total:.1f} ms | |")


if __name__ == "__main__":
    main()
