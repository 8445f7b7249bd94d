"""The device decoder: windows of encoded images, decoded and resized by DALI on a GPU.

The decoder for the host is in `dali_decoder`; this one leaves pixels where the step runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from nvidia.dali import fn, pipeline_def, types


class DeviceDecoder:
    """Makes batches of equal images. One thread at a time may use it.

    Args:
        size: height and width of the resized images; none: windows of one size, not resized.
        antialias: filters before it makes smaller.
        batch_size: most images at once.
        threads: of DALI on the host.
        device: the GPU's number; none: the CPU.
    """

    def __init__(
        self,
        size: tuple[int, int] | None,
        antialias: bool,
        batch_size: int,
        threads: int,
        device: int | None,
    ) -> None:
        self._options = {
            "device": "cpu" if device is None else "mixed",
            "size": size,
            "antialias": antialias,
            "batch_size": batch_size,
            "num_threads": threads,
            "device_id": device,
            "prefetch_queue_depth": 1,
        }
        self._pipeline: Any = None

    def decode(self, files: Sequence[np.ndarray], windows: np.ndarray) -> Any:
        """Decodes a window of each file.

        Args:
            files: each uint8 [bytes].
            windows: int32 [images, 4], each y, x, height, width, inside of the upright image.

        Returns:
            DALI's tensor, uint8 [images, height, width, 3], in the device's memory, finished; its
            memory belongs to whoever refers to it, also through DLPack.

        Raises:
            RuntimeError: DALI cannot decode one of them.
        """
        pipeline, self._pipeline = self._pipeline, None  # one that fails is no longer valid
        if pipeline is None:
            pipeline = _batches(**self._options)
            pipeline.build()
        pipeline.feed_input("encoded", files)
        pipeline.feed_input("corner", np.ascontiguousarray(windows[:, :2]))
        pipeline.feed_input("extent", np.ascontiguousarray(windows[:, 2:]))
        (images,) = pipeline.run()
        self._pipeline = pipeline
        return images.as_tensor()


@pipeline_def
def _batches(device: str, size: tuple[int, int] | None, antialias: bool) -> Any:
    images = fn.decoders.image_slice(
        fn.external_source(name="encoded", dtype=types.UINT8, ndim=1, no_copy=True),
        start=fn.external_source(name="corner", dtype=types.INT32, ndim=1),
        shape=fn.external_source(name="extent", dtype=types.INT32, ndim=1),
        axes=[0, 1],
        output_type=types.RGB,
        device=device,
    )
    if size is None:
        return images
    return fn.resize(images, size=size, interp_type=types.INTERP_LINEAR, antialias=antialias)
