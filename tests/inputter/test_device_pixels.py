"""Batches as a GPU makes them, by DALI on the CPU: the same samples, nearly the same pixels."""

import csv
import weakref

import numpy as np
import pytest
import tensorflow as tf

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, InputterConfig
from lambda_fast.data.image_list import read
from lambda_fast.inputter.device_pixels import DevicePixels
from lambda_fast.inputter.geometry import geometry
from lambda_fast.inputter.handover import aligned_empty, to_tensor
from lambda_fast.inputter.image_classification_csv_inputter import (
    ImageClassificationCsvInputter,
    build,
)
from lambda_fast.inputter.lent import Lent
from lambda_fast.inputter.order import Order
from lambda_fast.inputter.quarantine import Quarantine
from tests.image_files import encoded, photo, photo_set, write_csv

CROPS = AugmentSpec(height=32, width=24, crop="random_resized", flip=0.5)


def on_device(config, mode, file):
    """The inputter as `build` makes it where there is a GPU, with DALI's pipeline on the CPU."""
    images = read(config.inputter.dataset_meta)
    order = Order(
        samples=len(images),
        batch_size=config.batch_size_per_gpu,
        seed=config.seed,
        shuffle=mode == "train",
        complete=mode != "train",
    )
    shown = geometry(config, mode)
    pixels = DevicePixels(images.paths, shown, order.batch_size, 2, 1 << 28, None)
    quarantine = Quarantine(images, "quarantine", file)
    return ImageClassificationCsvInputter(images, order, pixels, quarantine, shown.left, 3)


def config(meta, folder, spec=CROPS):
    inputter = InputterConfig(
        dataset_meta=meta, eval_meta=meta, on_bad_image="quarantine", resize=30
    )
    return Config(
        name="t",
        batch_size_per_gpu=4,
        augmenter=spec,
        inputter=inputter,
        model_dir=str(folder / "host"),
    )


def mixed(folder):
    meta = photo_set(folder, 13)
    (folder / "00003.png").write_bytes(b"no image")
    (folder / "00007.png").write_bytes(encoded(photo(1), "PNG")[:-30])
    damaged = bytearray((folder / "00009.png").read_bytes())
    damaged[60:90] = bytes(30)  # sound in structure; the decoder alone can tell
    (folder / "00009.png").write_bytes(bytes(damaged))
    return meta


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("crop", ["random_resized", "squares"])
def test_samples_are_the_hosts_and_pixels_nearly(tmp_path, mode, crop):
    meta = mixed(tmp_path / "set")
    chosen = config(meta, tmp_path, CROPS if crop == "random_resized" else AugmentSpec())
    host = build(chosen, mode)
    device = on_device(chosen, mode, tmp_path / "device" / "quarantine.csv")
    assert device.image_shape == host.image_shape
    for epoch in range(2 if mode == "train" else 1):
        for step in range(host.steps_per_epoch):
            one, other = host.batch(epoch, step), device.batch(epoch, step)
            assert one.count == other.count
            assert np.array_equal(one.sample_ids, other.sample_ids)
            assert np.array_equal(one.labels, other.labels)
            assert other.images.shape == one.images.shape
            difference = np.abs(one.images.numpy().astype(int) - other.images.numpy())
            assert difference.max() <= 4
    host.close()
    device.close()
    listed = [
        sorted(row[0] for row in csv.reader((tmp_path / where / "quarantine.csv").open()))
        for where in ("host", "device")
    ]
    assert listed[0] == listed[1]
    assert len(listed[0]) == 1 + 3


def test_images_that_keep_their_size_are_exact(tmp_path):
    meta = photo_set(tmp_path / "set", 8, sizes=((20, 24),))
    (tmp_path / "set" / "big.png").write_bytes(encoded(photo(1), "PNG"))
    rows = [*csv.reader((tmp_path / "set" / "images.csv").open()), ("big.png", 0)]
    meta = write_csv(tmp_path / "set" / "images.csv", rows)
    inputter = InputterConfig(dataset_meta=meta, eval_meta=meta, on_bad_image="quarantine")
    chosen = Config(
        name="t", batch_size_per_gpu=3, inputter=inputter, model_dir=str(tmp_path / "host")
    )
    host, device = build(chosen, "train"), on_device(chosen, "train", tmp_path / "list.csv")
    for step in range(host.steps_per_epoch):
        assert np.array_equal(host.batch(0, step).images, device.batch(0, step).images)
    host.close()
    device.close()
    assert "pixels where the others have 20 x 24" in (tmp_path / "list.csv").read_text()


class Memory:
    """Stands for DALI's, or for the tensor that shows it."""


def test_memory_is_kept_until_the_device_has_read_it():
    waited = []
    lent = Lent(lambda: waited.append([ref() is not None for ref in memories]), most=2)
    tensors, memories = [], []

    def keep():
        memory = Memory()
        memories.append(weakref.ref(memory))
        tensors.append(Memory())
        lent.keep(tensors[-1], memory)

    for _ in range(4):
        keep()
    assert not waited, "nobody has read any of them"
    del tensors[:2]  # their programs are queued, perhaps not done
    keep()
    assert not waited
    assert all(ref() is not None for ref in memories)
    del tensors[0]
    keep()
    assert waited == [[True] * 6], "let go before the device had read it"
    assert [ref() is not None for ref in memories] == [False] * 3 + [True] * 3


def test_the_tensor_of_a_batch_tells_when_it_is_let_go():
    tensor = to_tensor(aligned_empty((2, 3)))
    seen = weakref.ref(tensor)
    tf.function(lambda x: x + 1)(tensor)
    assert seen() is tensor
    del tensor
    assert seen() is None
