"""DALI alone over image files: reader, region decode, resize, flip, as in its ImageNet examples."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.interleave import PREFETCHED, System

pytest.importorskip("nvidia.dali", reason="DALI is not installed: pip install -e '.[peers]'")

from nvidia.dali import fn, pipeline_def, types

NAMES = {"plain": "dali", "antialiased": "dali_antialiased", "none": "dali_decode_alone"}
THREADS = len(os.sched_getaffinity(0))


def images(paths: Sequence[str], batch: int, resize: str) -> System:
    """JPEGs or PNGs, random resized crop to 224 and flip, uint8.

    Args:
        paths: of the files.
        batch: images a batch.
        resize: `plain`, `antialiased`, or `none`: then windows are decoded and nothing more, which
            is a bound for whoever lets DALI decode.
    """

    @pipeline_def(
        batch_size=batch,
        num_threads=THREADS,
        device_id=None,
        seed=1,
        prefetch_queue_depth=2,
        exec_dynamic=True,
    )
    def pipeline() -> Any:
        encoded, _ = fn.readers.file(files=list(paths), random_shuffle=True, name="files")
        decoded = fn.decoders.image_random_crop(
            encoded,
            output_type=types.RGB,
            random_area=(0.08, 1.0),
            random_aspect_ratio=(0.75, 4.0 / 3.0),
        )
        if resize == "none":
            return decoded
        resized = fn.resize(
            decoded,
            size=(224, 224),
            interp_type=types.INTERP_LINEAR,
            antialias=resize == "antialiased",
        )
        return fn.flip(resized, horizontal=fn.random.coin_flip())

    built = pipeline()
    built.build()
    return System(
        name=NAMES[resize],
        step=lambda: built.run()[0],
        images=batch,
        prefetched=PREFETCHED,
        as_array=lambda output: np.stack([_shown(np.asarray(output[i])) for i in range(batch)]),
        facts={"how": f"readers.file, image_random_crop, resize: {resize}"},
    )


def _shown(image: np.ndarray) -> np.ndarray:
    """A decoded window in the size of the others, for the checks alone."""
    return np.asarray(Image.fromarray(image).resize((224, 224)))
