"""Checkpoint files: whole or not there, and refused when they do not fit."""

import numpy as np
import pytest

from lambda_fast import checkpoint
from lambda_fast.checkpoint import Checkpoint, CheckpointError


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


def test_a_flipped_byte_is_refused(tmp_path):
    path = checkpoint.write(tmp_path, state(1), keep=1)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"intact checkpoint .*sha256.*Remove the file"):
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
        checkpoint.check_fits(tmp_path, state(1).values, shapes)
    checkpoint.check_fits(tmp_path, state(1).values, {"a": (2, 3)})


def test_facts_of_another_run_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"seed = 2, found 1.*Set it to 1 to continue"):
        checkpoint.check_facts(tmp_path, {"seed": 1}, {"seed": 2})


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
        checkpoint.check_class_names(tmp_path, {"class_names": found}, expected)


@pytest.mark.parametrize("found", [["a", "b"], ["0", "1"], None])
def test_classes_without_names_are_not_compared(tmp_path, found):
    facts = {} if found is None else {"class_names": found}
    checkpoint.check_class_names(tmp_path, facts, ("a", "b"))
    checkpoint.check_class_names(tmp_path, facts, ("0", "1"))
