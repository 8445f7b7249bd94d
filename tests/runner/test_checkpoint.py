"""Checkpoint files: whole or not there, and refused when they do not fit."""

import numpy as np
import pytest

from lambda_fast import checkpoint, checkpoint_fit
from lambda_fast.checkpoint import Checkpoint, CheckpointError, DamagedError
from lambda_fast.newest_checkpoint import clear, newest


def state(step, **values):
    return Checkpoint(
        step, {"seed": 1}, {"a": np.arange(6.0, dtype=np.float32).reshape(2, 3)} | values
    )


def test_what_is_written_is_read(tmp_path):
    path = checkpoint.write(tmp_path, state(7, n=np.array(7, np.int64)), keep=3)
    found = checkpoint.read(path)
    assert found.step == 7
    assert found.facts == {"seed": 1}
    assert found.values["a"].dtype == np.float32
    assert np.array_equal(found.values["a"], state(7).values["a"])
    assert found.values["n"].shape == ()
    assert found.values["n"] == 7


def test_the_newest_are_kept(tmp_path):
    for step in (1, 2, 30, 4):
        checkpoint.write(tmp_path, state(step), keep=2)
    assert checkpoint.all_steps(tmp_path) == [4, 30]


def test_any_flipped_bit_is_refused(tmp_path):
    path = checkpoint.write(tmp_path, state(1), keep=1)
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(DamagedError, match="intact checkpoint"):
            checkpoint.read(path)


def test_a_cut_file_is_refused(tmp_path):
    path = checkpoint.write(tmp_path, state(1), keep=1)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="intact checkpoint"):
        checkpoint.read(path)


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    checkpoint.write_atomically(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*untouched"):
        checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_that_the_disk_changed_are_noticed_before_they_replace_anything(
    tmp_path, monkeypatch
):
    path = tmp_path / "file"
    checkpoint.write_atomically(path, b"old")
    inner = checkpoint.os.fsync

    def a_bad_disk(file):
        inner(file)
        checkpoint.os.pwrite(file, b"nwe", 0)

    monkeypatch.setattr(checkpoint.os, "fsync", a_bad_disk)
    with pytest.raises(CheckpointError, match="found: other bytes than were written"):
        checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_the_one_before_a_damaged_one_is_taken_and_stays(tmp_path):
    for step in (1, 2, 3):
        path = checkpoint.write(tmp_path, state(step), keep=3)
    path.write_bytes(path.read_bytes()[:-1])
    (path.parent / ".step-00000009.safetensors.partial").write_bytes(b"left by a kill")
    told = []
    found = newest(tmp_path, "train", told.append)
    assert found[1].step == 2
    assert len(told) == 1
    assert f"{path}, found: " in told[0]
    clear(tmp_path, 2)
    names = [each.stem for each in sorted(path.parent.iterdir())]
    assert names == ["step-00000001", "step-00000002", "step-00000003"]
    assert checkpoint.all_steps(tmp_path) == [1, 2]
    checkpoint.write(tmp_path, state(4), keep=2)
    assert checkpoint.all_steps(tmp_path) == [2, 4]


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(tmp_path):
    checkpoint.write(tmp_path, state(1), keep=3).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"\[eval\] expected an intact .* found 1 damaged"):
        newest(tmp_path, "eval", print)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"a": (2, 4)}, r"expected a of shape \[2, 4\] for this network, found \[2, 3\]"),
        ({"a": (2, 3), "b": (1,)}, r"expected b of shape \[1\] .* found none"),
        ({}, r"expected a of shape no such variable"),
    ],
)
def test_variables_of_another_network_are_refused(tmp_path, shapes, message):
    with pytest.raises(CheckpointError, match=message):
        checkpoint_fit.check_fits(tmp_path, state(1).values, shapes)
    checkpoint_fit.check_fits(tmp_path, state(1).values, {"a": (2, 3)})


def test_facts_of_another_run_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"seed = 2, found 1.*Set it to 1 to continue"):
        checkpoint_fit.check_facts(tmp_path, {"seed": 1}, {"seed": 2})


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        (["a", "b"], ("b", "a"), "expected class 0 to be 'b' as in the data set, found 'a' in"),
        (["a", "b"], ("a", "c"), "expected class 1 to be 'c' as in the data set, found 'b' in"),
        (["a"], ("a", "b"), "expected class 1 to be 'b' as in the data set, found 'none' in"),
    ],
)
def test_other_classes_are_refused(tmp_path, found, expected, message):
    with pytest.raises(CheckpointError, match=message):
        checkpoint_fit.check_class_names(tmp_path, {"class_names": found}, expected)


@pytest.mark.parametrize("found", [["a", "b"], ["0", "1"], None])
def test_classes_without_names_are_not_compared(tmp_path, found):
    facts = {} if found is None else {"class_names": found}
    checkpoint_fit.check_class_names(tmp_path, facts, ("a", "b"))
    checkpoint_fit.check_class_names(tmp_path, facts, ("0", "1"))
