"""DALI on the CPU: pipelines that are fed uint8 batches without a copy."""

import os
from typing import Any

import numpy as np
import pytest

from benchmarks.images import batches_of, cycle
from benchmarks.interleave import PREFETCHED, System

pytest.importorskip("nvidia.dali", reason="DALI is not installed: pip install -e '.[peers]'")

from nvidia.dali import fn, pipeline_def, types

PREFETCH = 2
THREADS = len(os.sched_getaffinity(0))


def augment_cifar(images: np.ndarray, batch: int) -> System:
    """The classic CIFAR augmentation, in the fastest of the forms tried.

    Less work than ours: images come padded, so that one operator crops, flips and casts; contrast
    is about a constant instead of each channel's mean. The form with fn.slice for the padding and
    fn.reductions.mean for the contrast takes about twice the time.
    """
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))

    @_pipeline(batch)
    def pipeline() -> Any:
        cropped = fn.crop_mirror_normalize(
            _source(padded, batch),
            crop=(32, 32),
            crop_pos_x=fn.random.uniform(range=(0.0, 1.0)),
            crop_pos_y=fn.random.uniform(range=(0.0, 1.0)),
            mirror=fn.random.coin_flip(),
            dtype=types.FLOAT,
            output_layout="HWC",
        )
        coloured = fn.brightness_contrast(
            cropped,
            brightness_shift=fn.random.uniform(range=(-63.0, 63.0)),
            contrast=fn.random.uniform(range=(0.2, 1.8)),
            contrast_center=128.0,
        )
        return fn.normalize(coloured, axes=(0, 1, 2))

    return _system(pipeline(), batch, "padded beforehand; contrast about 128")


def augment_imagenet(images: np.ndarray, batch: int, mean: Any, std: Any) -> System:
    """Random resized crop, bilinear without antialiasing as ours, flip and normalisation."""

    @_pipeline(batch)
    def pipeline() -> Any:
        resized = fn.random_resized_crop(
            _source(images, batch),
            size=(224, 224),
            random_area=(0.08, 1.0),
            random_aspect_ratio=(0.75, 4.0 / 3.0),
            interp_type=types.INTERP_LINEAR,
            antialias=False,
        )
        return fn.crop_mirror_normalize(
            resized,
            mirror=fn.random.coin_flip(),
            mean=list(mean),
            std=list(std),
            dtype=types.FLOAT,
            output_layout="HWC",
        )

    return _system(pipeline(), batch, "random_resized_crop")


def _pipeline(batch: int) -> Any:
    return pipeline_def(
        batch_size=batch,
        num_threads=THREADS,
        device_id=None,
        seed=1,
        prefetch_queue_depth=PREFETCH,
        exec_dynamic=True,
    )


def _source(images: np.ndarray, batch: int) -> Any:
    return fn.external_source(
        source=cycle(batches_of(images, batch)),
        batch=True,
        no_copy=True,
        dtype=types.UINT8,
        ndim=3,
        layout="HWC",
    )


def _system(pipeline: Any, batch: int, how: str) -> System:
    pipeline.build()
    return System(
        name="dali",
        step=lambda: pipeline.run()[0],
        images=batch,
        prefetched=PREFETCHED,
        as_array=lambda output: output.as_array(),
        facts={"how": how},
    )
