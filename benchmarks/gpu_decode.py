"""Times batches of JPEGs on a GPU against a pipeline of DALI's own; needs CuPy, no TensorFlow.

    LAMBDA_FAST_PHOTOS=FOLDER python benchmarks/gpu_decode.py

Both decode a random window of each file on the device, resize it to 224 x 224, mirror and
normalise it to float32. Ours takes the windows and the mirror from the sample's dice, and runs as
the inputter runs it: two batches at work at once; the windows of one epoch come again and again.
DALI's prefetches two. The host's way (the same windows by the CPU, and the copy) is timed too.
Interleaved, medians.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any

import cupy as cp
import numpy as np
from nvidia.dali import fn, pipeline_def, types

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.inputter.dali_decoder import Decoder
from lambda_fast.inputter.device_decoder import DeviceDecoder
from lambda_fast.native import core

BATCH, SIZE, BATCHES, ROUNDS = 256, 224, 8, 5
THREADS = len(os.sched_getaffinity(0))
MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
CROPS = AugmentSpec(height=SIZE, width=SIZE, crop="random_resized")
LEFT = AugmentSpec(flip=0.5, mean=MEAN, std=STD, normalize="channels")
IDS = np.arange(BATCH)


def encoded() -> list[np.ndarray]:
    """A batch of files, each uint8 [bytes]."""
    paths = sorted(Path(os.environ["LAMBDA_FAST_PHOTOS"]).glob("**/*.[jJ]*"))
    contents = [np.fromfile(path, np.uint8) for path in paths]
    return [contents[i % len(contents)] for i in range(BATCH)]


class Ours:
    """Batches by the device's decoder and the augmenter, two at work at once."""

    def __init__(self, files: list[np.ndarray], on_host: bool) -> None:
        self._files = files
        self._on_host = on_host
        self._sizes = np.array(Decoder(THREADS, BATCH).sizes(files), np.int32)
        self._own = local()

    def _images(self, epoch: int) -> cp.ndarray:
        windows = core().crop_windows(self._sizes, IDS, 0, epoch, CROPS.fields())
        if not hasattr(self._own, "decoder"):
            self._own.stream = cp.cuda.Stream(non_blocking=True)
            self._own.decoder = (
                Decoder(THREADS, BATCH)
                if self._on_host
                else DeviceDecoder((SIZE, SIZE), True, BATCH, THREADS, 0)
            )
        decoded = self._own.decoder.decode(self._files, windows)
        if not self._on_host:
            return cp.from_dlpack(decoded)
        resized = np.empty((BATCH, SIZE, SIZE, 3), np.uint8)
        whole = np.array([(0, 0, *image.shape[:2]) for image in decoded], np.int32)
        core().resize(resized, decoded, whole, True, THREADS)
        return cp.asarray(resized)

    def _batch(self, epoch: int) -> cp.ndarray:
        cp.cuda.Device(0).use()
        images = self._images(epoch)
        with self._own.stream:
            output = cp.empty(images.shape, cp.float32)
            ids, seed, key = (cp.asarray(np.array(v, np.int64)) for v in (IDS, 0, epoch))
            pointers = (array.data.ptr for array in (output, images, ids, seed, key))
            core().augment_device(
                *pointers, images.shape, LEFT.fields(), "float32", self._own.stream.ptr
            )
        self._own.stream.synchronize()
        return output

    def batches(self) -> Iterator[Any]:
        """Endless."""
        with ThreadPoolExecutor(2) as pool:
            ahead = [pool.submit(self._batch, epoch) for epoch in range(3)]
            while True:
                yield ahead.pop(0).result()
                ahead.append(pool.submit(self._batch, 3))


@pipeline_def
def dali_alone(files: list[np.ndarray]) -> Any:
    """The pipeline of DALI's examples for ImageNet."""
    content = fn.external_source(source=lambda: files, ndim=1, dtype=types.UINT8, no_copy=True)
    images = fn.decoders.image_random_crop(content, device="mixed", output_type=types.RGB)
    images = fn.resize(images, size=(SIZE, SIZE), interp_type=types.INTERP_LINEAR, antialias=True)
    return fn.crop_mirror_normalize(
        images, mirror=fn.random.coin_flip(), mean=list(MEAN), std=list(STD), output_layout="HWC"
    )


def dali_batches(files: list[np.ndarray]) -> Iterator[Any]:
    """Endless."""
    pipeline = dali_alone(
        files, batch_size=BATCH, num_threads=THREADS, device_id=0, prefetch_queue_depth=2
    )
    while True:
        yield pipeline.run()


def images_per_second(following: Callable[[], Any]) -> float:
    """Of a few batches."""
    begin = time.perf_counter()
    for _ in range(BATCHES):
        following()
    return BATCHES * BATCH / (time.perf_counter() - begin)


def main() -> None:
    """Prints one JSON line."""
    files = encoded()
    systems = {
        "lambda_fast": Ours(files, on_host=False).batches(),
        "DALI": dali_batches(files),
        "lambda_fast on the host": Ours(files, on_host=True).batches(),
    }
    for batches in systems.values():
        for _ in range(4):
            next(batches)
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(ROUNDS):
        for name, batches in systems.items():
            rates[name].append(images_per_second(lambda b=batches: next(b)))
    name = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    found = {
        name: [round(f(r)) for f in (statistics.median, min, max)] for name, r in rates.items()
    }
    print(json.dumps({"device": name, "host_threads": THREADS, "median_least_most": found}))


if __name__ == "__main__":
    main()
