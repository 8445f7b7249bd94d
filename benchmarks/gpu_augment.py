"""Times the augmenter's CUDA path against a copy on the device; needs CuPy, no TensorFlow.

    python benchmarks/gpu_augment.py

The limit is the device's memory: a batch is read once as uint8 and written once as floats. The
share is the time of a device-to-device copy that moves as many bytes over the augmenter's, both
interleaved, medians.
"""

import json
from collections.abc import Callable

import cupy as cp
import numpy as np

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.native import core

ROUNDS = 30
CHANNELS = {"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4), "normalize": "channels"}
CIFAR = {"pad": 4, "crop": "random", "flip": 0.5}
PHOTO = {"height": 224, "width": 224, "crop": "random_resized", "flip": 0.5} | CHANNELS
COLOUR = {"contrast": (0.6, 1.4), "saturation": (0.6, 1.4)}
CASES = {
    "cifar": ((4096, 32, 32, 3), AugmentSpec(**CIFAR, **CHANNELS)),
    "cifar, per image": (
        (4096, 32, 32, 3),
        AugmentSpec(**CIFAR, brightness=63, contrast=(0.2, 1.8), normalize="image"),
    ),
    "imagenet": ((256, 375, 500, 3), AugmentSpec(**PHOTO)),
    "imagenet, colour": ((256, 375, 500, 3), AugmentSpec(**PHOTO, **COLOUR)),
}


def seconds(stream: cp.cuda.Stream, work: Callable[[], None]) -> float:
    """One run of the work on the stream, by the device's own clock."""
    begin, end = cp.cuda.Event(), cp.cuda.Event()
    begin.record(stream)
    work()
    end.record(stream)
    end.synchronize()
    return cp.cuda.get_elapsed_time(begin, end) / 1e3


def measure(shape: tuple[int, ...], spec: AugmentSpec, dtype: str) -> dict[str, float]:
    """Medians of one case."""
    rng = np.random.default_rng(0)
    images = cp.asarray(rng.integers(0, 256, shape, dtype=np.uint8))
    height, width = spec.height or shape[1], spec.width or shape[2]
    output = cp.empty((shape[0], height, width, 3), cp.float32 if dtype == "float32" else cp.uint16)
    ids = cp.arange(shape[0], dtype=cp.int64)
    seed, epoch = cp.asarray(np.int64(1)), cp.asarray(np.int64(2))
    # A resized crop never reads all of an image: it is charged for half of it, its mean window.
    read = images.nbytes * (0.5 if spec.crop == "random_resized" else 1.0)
    moved = read + output.nbytes
    source = cp.asarray(rng.integers(0, 256, int(moved) // 2, dtype=np.uint8))
    target = cp.empty_like(source)
    stream = cp.cuda.Stream(non_blocking=True)
    pointers = [array.data.ptr for array in (output, images, ids, seed, epoch)]

    def augment() -> None:
        core().augment_device(*pointers, list(shape), spec.fields(), dtype, stream.ptr)

    def copy() -> None:
        kind = cp.cuda.runtime.memcpyDeviceToDevice
        cp.cuda.runtime.memcpyAsync(
            target.data.ptr, source.data.ptr, source.nbytes, kind, stream.ptr
        )

    cp.cuda.Device().synchronize()
    for work in (augment, copy):
        for _ in range(5):
            work()
    times = np.array([[seconds(stream, augment), seconds(stream, copy)] for _ in range(ROUNDS)])
    ours, peer = np.median(times, axis=0)
    return {
        "images_per_second": shape[0] / ours,
        "gigabytes_per_second": moved / ours / 1e9,
        "copy_gigabytes_per_second": moved / peer / 1e9,
        "share_of_copy": peer / ours,
    }


def main() -> None:
    """Prints one JSON line a case."""
    name = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    for case, (shape, spec) in CASES.items():
        for dtype in ("float32", "bfloat16"):
            result = {key: round(value, 3) for key, value in measure(shape, spec, dtype).items()}
            print(json.dumps({"device": name, "case": case, "dtype": dtype} | result))


if __name__ == "__main__":
    main()
