"""CIFAR-10 as PNGs: the samples of the set in memory, whatever happened on the way."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_run
from PIL import Image

from lambda_fast.data import cifar10, cifar10_export, image_list
from lambda_fast.data.fetch import DataError
from lambda_fast.data.splits import splits

ROOT = Path(__file__).resolve().parents[2]
# Ends itself with a signal after some images, as if someone had pressed Ctrl-C or pulled the plug.
DRIVER = """
import os, signal, sys
import tiny_run
from lambda_fast.data import cifar10, cifar10_export
signal.signal(signal.SIGINT, signal.default_int_handler)
cifar10.load = tiny_run.tiny_load
inner, calls = cifar10_export._write_image, []
def write(path, image):
    calls.append(path)
    if len(calls) == 230:
        path.write_bytes(b"\\x89PNG")
        os.kill(os.getpid(), int(sys.argv[1]))
    return inner(path, image)
cifar10_export._write_image = write
sys.exit(cifar10.main(["--export", sys.argv[2]]))
"""


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(cifar10, "load", tiny_run.tiny_load)


def silent(_):
    pass


def export(folder):
    return cifar10_export.export(folder, report=silent)


def state(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def assert_complete(folder):
    for split, count in tiny_run.SAMPLES.items():
        data = tiny_run.tiny_load(split)
        found = image_list.read(str(folder / f"{split}.csv"))
        assert len(found) == count
        assert found.class_names == cifar10.CLASS_NAMES
        assert np.array_equal(found.labels, data.labels)
        for path, image in zip(found.paths, data.images, strict=True):
            assert np.array_equal(np.asarray(Image.open(path)), image)
    names = {path.name for path in folder.iterdir()}
    assert names == {"train", "eval", "train.csv", "eval.csv", "class_names.txt"}


def test_samples_are_those_in_memory_and_in_their_order(tmp_path):
    assert export(tmp_path / "new" / "set") == (243, 0)
    assert_complete(tmp_path / "new" / "set")
    # The same folder read as class folders shows the same labels.
    folders = image_list.read(str(tmp_path / "new" / "set" / "train"))
    assert folders.class_names == cifar10.CLASS_NAMES
    assert np.array_equal(
        np.bincount(folders.labels), np.bincount(tiny_run.tiny_load("train").labels)
    )
    assert splits(str(tmp_path / "new" / "set"))[1] == str(tmp_path / "new" / "set" / "eval.csv")


def test_the_csvs_move_with_their_folder(tmp_path):
    export(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert_complete(tmp_path / "b")


def test_a_whole_export_is_left_alone(tmp_path):
    export(tmp_path)
    before = state(tmp_path)
    assert export(tmp_path) == (0, 243)
    images = {path: what for path, what in before.items() if path.suffix == ".png"}
    after = state(tmp_path)
    assert {path: after[path] for path in images} == images
    assert {p: what[1] for p, what in after.items()} == {p: what[1] for p, what in before.items()}


def test_a_missing_image_is_written_again(tmp_path):
    export(tmp_path)
    next((tmp_path / "eval").rglob("*.png")).unlink()
    assert export(tmp_path) == (1, 242)
    assert_complete(tmp_path)


def test_another_pillow_may_have_written_it(tmp_path):
    export(tmp_path)
    for path in (tmp_path / "train").rglob("*.png"):
        Image.open(path).copy().save(path, compress_level=9)
    assert export(tmp_path) == (0, 243)


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_an_export_that_was_ended_goes_on(tmp_path, name):
    number = getattr(signal, name)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(int(number)), str(tmp_path / "set")],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == (130 if name == "SIGINT" else -number), done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "set" / "train.csv").exists()
    assert not (tmp_path / "set" / "eval.csv").exists()  # which would promise what is not there
    assert export(tmp_path / "set") == (14, 229)
    assert_complete(tmp_path / "set")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"thesis.txt": b"words"}, "thesis.txt"),
        ({"train/frog/00000.png": b"mine"}, "train"),
        ({"class_names.txt": b"ant\nbee\n"}, "class_names.txt"),
        ({"class_names.txt": b"ant\n", "train.csv": b"a.png,0\n"}, "class_names.txt"),
    ],
)
def test_a_folder_with_something_else_is_left_as_it_is(tmp_path, content, found):
    for name, data in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    before = state(tmp_path)
    with pytest.raises(DataError, match=f"empty folder or an export of CIFAR-10, found {found} in"):
        export(tmp_path)
    assert state(tmp_path) == before


@pytest.mark.parametrize("damage", ["a photograph", "no image"])
def test_an_image_that_shows_something_else_is_left_as_it_is(tmp_path, damage):
    export(tmp_path)
    path = next((tmp_path / "train").rglob("*.png"))
    if damage == "a photograph":
        Image.new("RGB", (32, 32), "red").save(path)
    else:
        path.write_bytes(b"<html>")
    before = path.read_bytes()
    with pytest.raises(DataError, match=rf"{path.name}\] expected the image .*found another file"):
        export(tmp_path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file.*expected to write there, found: .*run again"):
        export(tmp_path / "file" / "set")


def test_the_command(tmp_path, capsys):
    assert cifar10.main(["--export", str(tmp_path / "set")]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'set'}: 243 images written, 0 were there already\n"
    assert captured.err == "writing train/: 200 images\nwriting eval/: 43 images\n"
    (tmp_path / "file").touch()
    assert cifar10.main(["--export", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert (
        captured.out == "" and captured.err.startswith("error: [") and captured.err.count("\n") == 1
    )


def test_it_is_fast(tmp_path):
    begin = time.perf_counter()
    export(tmp_path)
    assert time.perf_counter() - begin < 2  # 0.05 s; all of CIFAR-10 takes 10 s
