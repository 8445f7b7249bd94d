"""Images that cannot be used: named, or put aside and listed, and the rest of the run unchanged."""

import csv
import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, InputterConfig
from lambda_fast.data.fetch import DataError
from lambda_fast.inputter.image_classification_csv_inputter import build
from lambda_fast.inputter.quarantine import BadImageError
from tests.image_files import encoded, photo, photo_set, write_csv

CROPS = AugmentSpec(height=24, width=24, crop="random_resized", flip=0.5)
JPEG = encoded(photo(0))
BAD = {
    "truncated.jpg": (JPEG[: len(JPEG) // 2], "is truncated"),
    "page.jpg": (b"<html><body>404 Not Found</body></html>", "is no JPEG"),
    "empty.jpg": (b"", "is empty"),
    "gone.jpg": (None, "cannot be read: No such file or directory"),
    "folder.jpg": ("folder", "cannot be read: Is a directory"),
    "animated.gif": (encoded(photo(0), "GIF"), "is a GIF"),
    "ünïcode 图.jpg": (JPEG[:-2], "is truncated"),
}


def config(meta, tmp_path, batch=4, spec=CROPS, **fields):
    fields = {"on_bad_image": "quarantine"} | fields
    return Config(
        name="t",
        seed=1,
        batch_size_per_gpu=batch,
        model_dir=str(tmp_path / "run"),
        augmenter=spec,
        inputter=InputterConfig(dataset_meta=meta, eval_meta=meta, **fields),
    )


def put(folder, name, content):
    if content == "folder":
        (folder / name).mkdir()
    elif content is not None:
        (folder / name).write_bytes(content)


def mixed(folder, good=9):
    """Good images with one bad one of each kind among them. Returns the CSV and the bad ids."""
    folder.mkdir()
    rows = []
    for index in range(good):
        (folder / f"{index}.png").write_bytes(encoded(photo(index), "PNG"))
        rows.append((f"{index}.png", 0))
    for place, (name, (content, _)) in enumerate(BAD.items()):
        put(folder, name, content)
        rows.insert(2 * place + 1, (name, 1))
    bad = {index for index, row in enumerate(rows) if row[1] == 1}
    return write_csv(folder / "images.csv", rows), bad


def collect(configuration, mode="train", epochs=(0, 1, 2), **ranks):
    inputter = build(configuration, mode, **ranks)
    found = []
    for epoch in epochs:
        for step in range(inputter.steps_per_epoch):
            batch = inputter.batch(epoch, step)
            parts = (batch.images, batch.sample_ids)
            found.append((*(part.numpy()[: batch.count] for part in parts), batch.count))
    inputter.close()
    return found


def listed(tmp_path):
    with (tmp_path / "run" / "quarantine.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", BAD)
def test_the_error_names_file_reason_and_line(tmp_path, name):
    content, reason = BAD[name]
    (tmp_path / "good.jpg").write_bytes(JPEG)
    put(tmp_path, name, content)
    meta = write_csv(tmp_path / "images.csv", [("good.jpg", 0)] * 3 + [(name, 1)])
    inputter = build(config(meta, tmp_path, on_bad_image="error"), "train")
    with pytest.raises(BadImageError) as caught:
        inputter.batch(0, 0)
    inputter.close()
    message = str(caught.value)
    assert reason in message
    assert f"images.csv line 4: {name}" in message
    assert "on_bad_image=quarantine" in message
    assert not (tmp_path / "run").exists()


def test_quarantine_lists_each_once_and_takes_the_next_good_one_of_the_order(tmp_path):
    meta, bad = mixed(tmp_path / "set")
    configuration = config(meta, tmp_path)
    found = collect(configuration)
    inputter = build(configuration, "train")
    order = inputter._order
    inputter.close()
    for number, (images, ids, count) in enumerate(found):
        epoch, step = divmod(number, order.steps_per_epoch)
        assert count == 4
        for place, sample_id in enumerate(ids.tolist()):
            position = order.first_position(step) + place
            while order.id_at(epoch, position) in bad:
                position += 1
            assert sample_id == order.id_at(epoch, position)
            assert images[place].std() > 5
    rows = listed(tmp_path)
    assert len(rows) == len(BAD)
    reasons = {Path(row["path"]).name: row["reason"] for row in rows}
    for name, (_, reason) in BAD.items():
        assert reason in reasons[name]
        assert any(
            name in row["listed_as"] and "images.csv line" in row["listed_as"] for row in rows
        )


def equal(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a, b)
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("crop", ["random_resized", "squares"])
def test_quarantine_is_the_same_for_any_threads_ranks_and_cache(tmp_path, mode, crop):
    meta, _ = mixed(tmp_path / "set")
    spec = CROPS if crop == "random_resized" else AugmentSpec()
    fields = {"spec": spec, "resize": 26}
    base = collect(config(meta, tmp_path, **fields), mode)
    assert equal(base, collect(config(meta, tmp_path, threads=1, **fields), mode))
    assert equal(base, collect(config(meta, tmp_path, prefetch=1, **fields), mode))
    assert equal(base, collect(config(meta, tmp_path, cache="memory", **fields), mode))
    if mode == "train":
        halves = [
            collect(config(meta, tmp_path, batch=2, **fields), mode, rank=rank, ranks=2)
            for rank in range(2)
        ]
        for (images, ids, _), *parts in zip(base, *halves, strict=True):
            assert np.array_equal(images, np.concatenate([part[0] for part in parts]))
            assert np.array_equal(ids, np.concatenate([part[1] for part in parts]))
    assert len(listed(tmp_path)) == len(BAD)


def test_evaluation_counts_the_good_ones_alone(tmp_path):
    meta, bad = mixed(tmp_path / "set")
    found = collect(config(meta, tmp_path, resize=30), "eval", epochs=(0,))
    counted = [int(i) for _, ids, _ in found for i in ids]
    assert sorted(counted) == sorted(set(range(len(BAD) + 9)) - bad)


def test_a_resumed_run_replaces_the_same_images(tmp_path):
    meta, _ = mixed(tmp_path / "set")
    assert equal(
        collect(config(meta, tmp_path), epochs=(0, 1, 2))[-4:],
        collect(config(meta, tmp_path), epochs=(2,)),
    )


def test_nothing_but_bad_images_is_an_error(tmp_path):
    for index in range(5):
        (tmp_path / f"{index}.jpg").write_bytes(b"no image")
    meta = write_csv(tmp_path / "images.csv", [(f"{index}.jpg", 0) for index in range(5)])
    inputter = build(config(meta, tmp_path), "train")
    with pytest.raises(DataError, match=r"found none among 5\. quarantine\.csv"):
        inputter.batch(0, 0)
    inputter.close()
    with pytest.raises(DataError, match=r"found none among 5 files, .*0\.jpg\. Name other"):
        build(config(meta, tmp_path, spec=AugmentSpec()), "train")


def test_three_bad_ones_among_ten_thousand(tmp_path):
    folder = tmp_path / "set"
    photo_set(folder, 25, sizes=((32, 32),))
    rows = [(f"{index % 25:05}.png", 0) for index in range(10_000)]
    bad = {17, 5_000, 9_999}
    for index in bad:
        (folder / f"bad{index}.png").write_bytes(encoded(photo(1), "PNG")[:-20])
        rows[index] = (f"bad{index}.png", 0)
    meta = write_csv(folder / "images.csv", rows)
    fields = {"batch": 100, "spec": AugmentSpec(), "cache": "memory"}
    found = collect(config(meta, tmp_path, **fields), epochs=(0, 1))
    for epoch in range(2):
        ids = np.concatenate([ids for _, ids, _ in found[100 * epoch : 100 * (epoch + 1)]])
        assert len(ids) == 10_000
        assert len(set(ids.tolist())) == 9_997
        assert not bad & set(ids.tolist())
    assert len(listed(tmp_path)) == 3
    assert equal(found, collect(config(meta, tmp_path, threads=1, **fields), epochs=(0, 1)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_bad(tmp_path):
    meta = photo_set(tmp_path / "set", 4)
    (tmp_path / "set" / "00002.png").chmod(0)
    inputter = build(config(meta, tmp_path, on_bad_image="error"), "train")
    with pytest.raises(BadImageError, match="cannot be read: Permission denied"):
        inputter.batch(0, 0)
    inputter.close()


def test_a_label_beyond_the_classes_is_an_error(tmp_path):
    meta = photo_set(tmp_path / "set", 6, classes=3)
    with pytest.raises(DataError, match=r"line 3\] expected a label from 0 to 1, found 2"):
        build(dataclasses.replace(config(meta, tmp_path, num_classes=2)), "train")
