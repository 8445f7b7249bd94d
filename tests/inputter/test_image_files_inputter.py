"""The inputter of image files: each batch is a function of (seed, epoch, step) and the files."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lambda_fast import native
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, ConfigError, InputterConfig
from lambda_fast.inputter.image_classification_csv_inputter import build
from tests.image_files import decoded, photo_set
from tests.resize_reference import resize

ROOT = Path(__file__).resolve().parents[2]
CROPS = AugmentSpec(height=32, width=24, crop="random_resized", flip=0.5, area=(0.3, 1.0))
COUNT = 23


def config(meta, batch=5, spec=CROPS, seed=3, **fields):
    return Config(
        name="t",
        seed=seed,
        batch_size_per_gpu=batch,
        augmenter=spec,
        inputter=InputterConfig(dataset_meta=meta, eval_meta=meta, **fields),
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return photo_set(tmp_path_factory.mktemp("photos"), COUNT)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    return photo_set(tmp_path_factory.mktemp("alike"), COUNT, sizes=((32, 32),))


def batches(configuration, mode="train", epochs=(0, 1), **ranks):
    """All batches as numpy: (images, labels, ids) with the padding left out."""
    inputter = build(configuration, mode, **ranks)
    found = []
    for epoch in epochs:
        for step in range(inputter.steps_per_epoch):
            batch = inputter.batch(epoch, step)
            assert batch.images.shape == (inputter.batch_size, *inputter.image_shape)
            assert int(batch.epoch) == epoch
            parts = (batch.images, batch.labels, batch.sample_ids)
            found.append(tuple(part.numpy()[: batch.count] for part in parts))
    inputter.close()
    return found


def same(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a, b)
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def source(meta, sample_id):
    return decoded((Path(meta).parent / f"{sample_id:05}.png").read_bytes())


def test_training_images_are_the_windows_that_the_augmenters_dice_choose(photos):
    found = batches(config(photos))
    assert len(found) == 2 * (COUNT // 5)
    for number, (images, labels, ids) in enumerate(found):
        epoch = number // (COUNT // 5)
        assert np.array_equal(labels, ids % 3)
        for image, sample_id in zip(images, ids.tolist(), strict=True):
            whole = source(photos, sample_id)
            window = native.core().draw(whole.shape, sample_id, 3, epoch, CROPS.fields())["window"]
            assert np.array_equal(image, resize(whole, tuple(window.values()), 32, 24))


def test_where_nothing_shrinks_the_images_are_those_of_the_augment_op(alike):
    """The op samples between pixels, and so does the triangle filter where images grow."""
    spec = dataclasses.replace(CROPS, height=64, width=64, flip=0.0)
    for images, _, ids in batches(config(alike, spec=spec), epochs=(2,)):
        for image, sample_id in zip(images, ids.tolist(), strict=True):
            whole = source(alike, sample_id)[None]
            by_op = native.core().augment(
                whole, np.array([sample_id]), 3, 2, spec.fields(), "float32", 1
            )[0]
            assert np.abs(image.astype(float) - by_op).max() <= 1.0


def test_evaluation_shows_every_image_once_and_the_same_each_time(photos):
    first = batches(config(photos, resize=40), "eval", epochs=(0,))
    assert np.concatenate([ids for _, _, ids in first]).tolist() == list(range(COUNT))
    assert same(first, batches(config(photos, resize=40, batch=5), "eval", epochs=(0,)))
    images, _, _ = first[0]
    # Sample 0 is 48 x 64: a short side of 40 makes the window 48 / 40 * (32, 24).
    assert np.array_equal(images[0], resize(source(photos, 0), (5, 17, 38, 29), 32, 24))


@pytest.mark.parametrize("fields", [{"threads": 1}, {"threads": 3}, {"prefetch": 1}])
def test_threads_and_prefetching_change_nothing(photos, fields):
    assert same(batches(config(photos)), batches(config(photos, **fields)))


def test_the_seed_changes_order_and_windows(photos):
    assert not same(batches(config(photos)), batches(config(photos, seed=4)))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_ranks_share_the_batches_of_one(photos, mode):
    whole = batches(config(photos, batch=6), mode, epochs=(1,))
    parts = [batches(config(photos, batch=2), mode, (1,), rank=rank, ranks=3) for rank in range(3)]
    together = [
        tuple(np.concatenate(arrays) for arrays in zip(*ranks, strict=True))
        for ranks in zip(*parts, strict=True)
    ]
    assert same(whole, together)


@pytest.mark.parametrize("crop", ["random_resized", "kept", "squares"])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_cache_changes_nothing(photos, alike, crop, mode):
    spec = CROPS if crop == "random_resized" else AugmentSpec(pad=2, crop="random")
    meta = alike if crop == "kept" else photos
    fields = {"spec": spec, "resize": 36 if crop == "squares" else 0}
    once = batches(config(meta, **fields), mode, epochs=(0, 1, 2))
    assert same(once, batches(config(meta, cache="memory", **fields), mode, epochs=(0, 1, 2)))


@pytest.mark.parametrize("crop", ["random_resized", "kept"])
def test_a_cache_decodes_once(tmp_path, crop):
    meta = photo_set(tmp_path / "set", 12, sizes=((32, 32),))
    spec = CROPS if crop == "random_resized" else AugmentSpec()
    expected = batches(config(meta, batch=4, spec=spec), epochs=(0, 1, 2))
    inputter = build(config(meta, batch=4, spec=spec, cache="memory"), "train")
    found = []
    for epoch in range(3):
        for step in range(3):
            batch = inputter.batch(epoch, step)
            found.append((batch.images.numpy(), batch.labels.numpy(), batch.sample_ids.numpy()))
        if epoch == 0:
            inputter.batch(0, 2)
            for file in (tmp_path / "set").glob("*.png"):
                file.unlink()
    inputter.close()
    assert same(found, expected)


def test_a_cache_that_does_not_fit_is_refused_with_its_size(photos):
    with pytest.raises(ConfigError, match=r"at most 0\.00 GiB, found about 0\.00 GiB"):
        build(config(photos, cache="memory", cache_gib=1e-4), "train")


def test_images_of_other_sizes_need_a_size(photos):
    inputter = build(config(photos, spec=AugmentSpec()), "train")
    with pytest.raises(RuntimeError, match=r"has \d+ x \d+ pixels where the others have 48 x 64"):
        for step in range(inputter.steps_per_epoch):
            inputter.batch(0, step)
    inputter.close()


def test_steps_can_be_asked_for_in_any_order(photos):
    inputter = build(config(photos), "train")
    steps = [(0, 0), (3, 2), (0, 1), (0, 2), (0, 0)]
    found = {key: inputter.batch(*key).images.numpy() for key in steps}
    inputter.close()
    for (epoch, step), images in found.items():
        assert np.array_equal(images, batches(config(photos), epochs=(epoch,))[step][0])


def digests(folder, first, last, kill=None, **fields):
    """What another process sees from step to step, as hashes; it may kill itself on the way."""
    script = f"""
import hashlib, os, signal, sys
from tests.inputter.test_image_files_inputter import build, config
inputter = build(config({folder!r}, **{fields!r}), "train")
for step in range({first}, {last}):
    batch = inputter.batch(*divmod(step, inputter.steps_per_epoch))
    parts = (batch.images, batch.labels, batch.sample_ids)
    content = b"".join(part.numpy().tobytes() for part in parts)
    print(step, hashlib.sha256(content).hexdigest(), flush=True)
    if step == {kill}:
        os.kill(os.getpid(), signal.SIGKILL)
inputter.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert done.returncode == (0 if kill is None else -signal.SIGKILL), done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_a_killed_run_goes_on_with_the_batches_it_would_have_seen(photos):
    whole = digests(photos, 0, 14)
    before = digests(photos, 0, 14, kill=6)
    after = digests(photos, 7, 14)
    assert len(whole) == len(set(whole.values())) == 14
    assert before | after == whole
    assert len(before) == 7
