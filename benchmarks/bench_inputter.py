"""The inputter of image files beside tf.data and DALI's own pipeline: ready batches on the CPU."""

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.images import jpeg_files, png_files
from benchmarks.interleave import PREFETCHED, System, is_quick
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, InputterConfig
from lambda_fast.inputter import image_classification_csv_inputter

BATCH = 32 if is_quick() else 64
PNG_BATCH = 8 if is_quick() else 16  # a PNG takes several times as long
CROPS = AugmentSpec(height=224, width=224, crop="random_resized", flip=0.5)
SYSTEMS = ("lambda_fast", "tf.data", "dali")
VARIANTS = () if is_quick() else ("lambda_fast_plain", "dali_antialiased", "dali_decode_alone")


Files = tuple[list[str], str, str]  # their paths, the CSV that lists them, where they are from


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return _listed(tmp_path_factory.mktemp("jpeg"), jpeg_files)


@pytest.fixture(scope="module")
def pngs(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return _listed(tmp_path_factory.mktemp("png"), png_files)


def _listed(folder: Path, write: Callable[[Path], tuple[list[str], str]]) -> Files:
    paths, source = write(folder)
    meta = folder / "images.csv"
    meta.write_text("".join(f'"{path}",{index % 10}\n' for index, path in enumerate(paths)))
    return paths, str(meta), source


@pytest.fixture(scope="module")
def samples(files: Files, measure: Any) -> dict[str, Any]:
    paths, meta, _ = files
    ours = partial(_inputter, meta, BATCH)
    peer = partial(_peer, paths, BATCH)
    return measure(
        {
            "lambda_fast": partial(_checked, partial(ours, "none")),
            "lambda_fast_plain": partial(_checked, partial(ours, "none", False)),
            "lambda_fast_cached": partial(_checked, partial(ours, "memory")),
            "tf.data": partial(_checked, partial(peer, "tf_data_files", spec=CROPS)),
            "tf.data_cached": partial(
                _checked, partial(peer, "tf_data_files", spec=CROPS, cached=True)
            ),
            "dali": partial(_checked, partial(peer, "dali_files", resize="plain")),
            "dali_antialiased": partial(
                _checked, partial(peer, "dali_files", resize="antialiased")
            ),
            "dali_decode_alone": partial(_checked, partial(peer, "dali_files", resize="none")),
        }
    )


@pytest.fixture(scope="module")
def png_samples(pngs: Files, measure: Any) -> dict[str, Any]:
    paths, meta, _ = pngs
    peer = partial(_peer, paths, PNG_BATCH)
    return measure(
        {
            "lambda_fast": partial(_checked, partial(_inputter, meta, PNG_BATCH, "none")),
            "tf.data": partial(_checked, partial(peer, "tf_data_files", spec=CROPS)),
            "dali": partial(_checked, partial(peer, "dali_files", resize="plain")),
        }
    )


@pytest.mark.parametrize("system", SYSTEMS + VARIANTS)
def test_inputter_jpeg(samples: Any, files: Files, system: str, record: Callable[..., None]):
    """Read, decode, random resized crop to 224, batch of uint8; tf.data and DALI flip as well."""
    record(samples[system], "inputter_jpeg", f"batch {BATCH}", images=files[2])


@pytest.mark.parametrize("system", ("lambda_fast_cached", "tf.data_cached"))
def test_inputter_cached(samples: Any, files: Files, system: str, record: Callable[..., None]):
    """The same in later epochs with cache="memory", beside tf.data that keeps decoded images."""
    record(samples[system], "inputter_cached", f"batch {BATCH}", images=files[2])


@pytest.mark.parametrize("system", SYSTEMS)
def test_inputter_png(png_samples: Any, pngs: Files, system: str, record: Callable[..., None]):
    """As of JPEGs, from PNGs of the same size."""
    record(png_samples[system], "inputter_png", f"batch {PNG_BATCH}", images=pngs[2])


def _inputter(meta: str, batch: int, cache: str, antialias: bool = True) -> System:
    config = Config(
        name="bench",
        batch_size_per_gpu=batch,
        augmenter=CROPS,
        inputter=InputterConfig(dataset_meta=meta, hold_out=0.0, cache=cache, antialias=antialias),
    )
    inputter = image_classification_csv_inputter.build(config, "train")
    steps = itertools.count()

    def step() -> tf.Tensor:
        return inputter.batch(*divmod(next(steps), inputter.steps_per_epoch)).images

    if cache == "memory":
        for _ in range(2 * inputter.steps_per_epoch):  # until nothing is left to decode
            step()
    name = "lambda_fast" if antialias else "lambda_fast_plain"
    return System(
        name=name if cache == "none" else "lambda_fast_cached",
        step=step,
        images=batch,
        prefetched=PREFETCHED,
        facts={"how": f"cache={cache}, {len(os.sched_getaffinity(0))} threads"},
    )


def _peer(paths: Sequence[str], batch: int, module: str, **arguments: Any) -> System:
    return import_module(f"benchmarks.peers.{module}").images(paths, batch, **arguments)


def _checked(build: Callable[[], System]) -> System:
    system = build()
    found = system.as_array(system.step())
    assert found.shape == (system.images, 224, 224, 3) and found.dtype == np.uint8
    assert 40.0 < found.mean() < 200.0 and found.std() > 30.0
    assert np.abs(np.diff(found.astype(np.int16), axis=2)).mean() < 30.0  # as in a photograph
    assert not np.array_equal(found, system.as_array(system.step())), "expected another batch"
    return system
