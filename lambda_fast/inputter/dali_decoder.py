"""The decoder: sizes and windows of encoded images, by DALI on the CPU.

DALI decodes EXIF-turned, grey, CMYK, palette and 16-bit images to upright uint8 RGB, and a window
of an image to exactly the pixels that the whole would have there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lambda_fast.config import ConfigError
from lambda_fast.inputter.encoded_files import BadImage

try:
    from nvidia.dali import fn, pipeline_def, types
except ImportError as error:
    raise ConfigError(
        f"[inputter] expected DALI, found none: {error}. pip install nvidia-dali-cuda120"
    ) from error

MAX_PIXELS = 1 << 28  # 0.8 GB of RGB; a small file that claims more is a decompression bomb

Decoded = np.ndarray | BadImage


class Decoder:
    """Decodes batches; one bad image leaves the others of its batch alone.

    A DALI pipeline that meets an image it cannot decode gives nothing of that batch and is no
    longer valid. A new one is built, which takes milliseconds, and the batch goes through one by
    one. One thread at a time may use a decoder.

    Args:
        threads: of DALI.
        batch_size: most images at once.
        max_pixels: images with more are refused.
    """

    def __init__(self, threads: int, batch_size: int, max_pixels: int = MAX_PIXELS) -> None:
        self._threads = threads
        self._batch_size = batch_size
        self._max_pixels = max_pixels
        self._pipelines: dict[Callable[[], Any], Any] = {}

    def sizes(self, encoded: Sequence[np.ndarray]) -> list[tuple[int, int] | BadImage]:
        """Height and width in pixels of each image, upright, or why it has none.

        Args:
            encoded: each uint8 [bytes].
        """
        shapes = self._each(_peek, {"encoded": encoded}, "has a header that DALI does not read")
        return [
            shape if isinstance(shape, BadImage) else self.checked(int(shape[0]), int(shape[1]))
            for shape in shapes
        ]

    def checked(self, height: int, width: int) -> tuple[int, int] | BadImage:
        """The size, unless it is refused."""
        if height * width > self._max_pixels:
            return BadImage(
                f"has {height} x {width} pixels, more than the {self._max_pixels:,} of "
                "inputter.max_pixels"
            )
        return height, width

    def decode(self, encoded: Sequence[np.ndarray], windows: np.ndarray) -> list[Decoded]:
        """Decodes a window of each image.

        Args:
            encoded: each uint8 [bytes].
            windows: int32 [images, 4], each y, x, height, width, inside of the upright image.

        Returns:
            Each uint8 [height, width, 3], memory of DALI's that stays valid while it is referred
            to; or why there is none.
        """
        inputs = {
            "encoded": encoded,
            "corner": np.ascontiguousarray(windows[:, :2]),
            "extent": np.ascontiguousarray(windows[:, 2:]),
        }
        return self._each(_decode, inputs, "cannot be decoded")

    def _each(
        self, definition: Callable[[], Any], inputs: dict[str, Sequence[np.ndarray]], failing: str
    ) -> list[Decoded]:
        count = len(inputs["encoded"])
        if count == 0:
            return []
        try:
            return self._run(definition, inputs, count)
        except RuntimeError as error:  # DALI's own exceptions derive from it or are it
            if count == 1:
                return [BadImage(f"{failing}: {_reason(error)}")]
        return [
            self._each(definition, {name: v[i : i + 1] for name, v in inputs.items()}, failing)[0]
            for i in range(count)
        ]

    def _run(
        self, definition: Callable[[], Any], inputs: dict[str, Sequence[np.ndarray]], count: int
    ) -> list[np.ndarray]:
        pipeline = self._pipelines.pop(definition, None)
        if pipeline is None:
            pipeline = definition(
                batch_size=self._batch_size,
                num_threads=self._threads,
                device_id=None,
                prefetch_queue_depth=1,
            )
            pipeline.build()
        for name, values in inputs.items():
            pipeline.feed_input(name, values)
        (results,) = pipeline.run()
        self._pipelines[definition] = pipeline  # kept only if it ran
        return [np.asarray(results[i]) for i in range(count)]


@pipeline_def
def _peek() -> Any:
    return fn.peek_image_shape(_encoded())


@pipeline_def
def _decode() -> Any:
    corner = fn.external_source(name="corner", dtype=types.INT32, ndim=1)
    extent = fn.external_source(name="extent", dtype=types.INT32, ndim=1)
    return fn.decoders.image_slice(
        _encoded(), start=corner, shape=extent, axes=[0, 1], output_type=types.RGB
    )


def _encoded() -> Any:
    return fn.external_source(name="encoded", dtype=types.UINT8, ndim=1, no_copy=True)


def _reason(error: RuntimeError) -> str:
    """The sentence of DALI's report that tells what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines.index("encountered:") + 1 if "encountered:" in lines else 0
    return lines[min(told, len(lines) - 1)].rstrip(" :") if lines else type(error).__name__
