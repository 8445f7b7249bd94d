"""The lists of a data set's images: CSVs, class folders, and every way to get them wrong."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lambda_fast.data.fetch import DataError
from lambda_fast.data.image_list import read
from lambda_fast.data.splits import hold_out, splits

ROOT = Path(__file__).resolve().parents[2]


def csv_of(folder, text, name="train.csv"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def tree(root, *files):
    """Empty files: reading a list opens no image."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return str(root)


# CSVs.


def test_paths_count_from_the_folder_of_the_csv(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = read(csv_of(tmp_path, 'a.png,0\n/else/b.png, 2\n~/c.png,1\n"x,y/d ""1"".png",0\n'))
    assert found.paths == [
        f"{tmp_path}/a.png",
        "/else/b.png",
        f"{tmp_path}/home/c.png",
        f'{tmp_path}/x,y/d "1".png',
    ]
    assert found.labels.dtype == np.int32
    assert found.labels.tolist() == [0, 2, 1, 0]
    assert found.class_names == ("0", "1", "2")
    assert len(found) == 4


def test_a_relative_csv_stays_right_when_the_folder_changes(tmp_path, monkeypatch):
    csv_of(tmp_path, "a.png,0\n", "set/train.csv")
    monkeypatch.chdir(tmp_path)
    found = read("set/train.csv")
    assert found.paths == [f"{tmp_path}/set/a.png"]
    assert found.where(0) == "set/train.csv line 1: a.png"


def test_unicode_byte_order_mark_and_line_ends(tmp_path):
    file = csv_of(tmp_path, "\ufeffkatzen/é.jpg,1\r\n\r\n犬/🐶.jpg,0\r\n")
    found = read(file)
    assert found.paths == [f"{tmp_path}/katzen/é.jpg", f"{tmp_path}/犬/🐶.jpg"]
    assert found.where(0) == f"{file} line 1: katzen/é.jpg"
    assert found.where(1) == f"{file} line 3: 犬/🐶.jpg"


@pytest.mark.parametrize(
    "header", ["path,label", "Image,Label", "filename,class", " file , label "]
)
def test_a_header_is_known_by_its_words(tmp_path, header):
    found = read(csv_of(tmp_path, f"{header}\na.png,1\n"))
    assert found.labels.tolist() == [1]
    assert found.where(0).endswith("line 2: a.png")


def test_a_header_in_which_the_label_is_a_class_is_an_image(tmp_path):
    found = read(csv_of(tmp_path, "path,label\n"), class_names=("label", "other"))
    assert found.labels.tolist() == [0]


def test_csvs_are_joined_and_each_knows_its_lines(tmp_path):
    one = csv_of(tmp_path, "path,label\na.png,0\n\nb.png,1\n", "one/train.csv")
    two = csv_of(tmp_path, "c.png,4\n", "two/train.csv")
    three = csv_of(tmp_path, '\n"d\nd.png",2\ne.png,3', "three/train.csv")
    found = read(f"{one}, {two},{three}")
    assert found.labels.tolist() == [0, 1, 4, 2, 3]
    assert found.paths[2] == f"{tmp_path}/two/c.png"
    assert [found.where(index) for index in range(5)] == [
        f"{one} line 2: a.png",
        f"{one} line 4: b.png",
        f"{two} line 1: c.png",
        f"{three} line 2: d\nd.png",
        f"{three} line 4: e.png",
    ]
    assert found.class_names == ("0", "1", "2", "3", "4")


def test_a_csv_with_a_comma_in_its_name_is_one(tmp_path):
    assert len(read(csv_of(tmp_path, "a.png,0\n", "a,b.csv"))) == 1


def test_a_list_of_csvs_may_be_longer_than_a_name(tmp_path, monkeypatch):
    csv_of(tmp_path, "a.png,0\n")
    monkeypatch.chdir(tmp_path)
    assert len(read(",".join(["train.csv"] * 500))) == 500


def test_labels_may_be_names(tmp_path):
    names = csv_of(tmp_path, "\ufeffant\nbee \nking crab\n\n", "names.txt")
    file = csv_of(tmp_path, "path,label\na.png,bee\nb.png, king crab \nc.png,0\n")
    found = read(file, class_names_file=names)
    assert found.class_names == ("ant", "bee", "king crab")
    assert found.labels.tolist() == [1, 2, 0]
    assert read(file, class_names=("king crab", "bee")).labels.tolist() == [1, 0, 0]


def test_names_beside_the_csv_are_taken(tmp_path):
    csv_of(tmp_path, "ant\nbee\n", "class_names.txt")
    file = csv_of(tmp_path, "a.png,1\n")
    assert read(file).class_names == ("ant", "bee")
    assert read(file, class_names=("x", "y", "z")).class_names == ("x", "y", "z")


def test_the_number_of_classes_may_be_given(tmp_path):
    assert read(csv_of(tmp_path, "a.png,1\n"), num_classes=4).class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png,0\nb.png,x\n", "line 2] expected a label from 0, found 'x'. To use names, list"),
        ("a.png,-1\n", "line 1] expected a label from 0 to 1048575, found -1"),
        ("a.png,1.0\n", "line 1] expected a label from 0, found '1.0'"),
        ("a.png,1_0\n", "found '1_0'"),
        ("a.png,٣\n", "found '٣'"),
        ("a.png,99999999999999999999999\n", "found 99999999999999999999999. Set num_classes"),
        ("a.png,\n", "line 1] expected a label from 0, found ''"),
        ("a.png,0\n\nb.png\n", "line 3] expected path,label, found one column, 'b.png'"),
        (
            "a.png,0\nb,c.png,0\n",
            "line 2] expected path,label, found 3 columns. A path with a comma",
        ),
        ("a.png,0\n,1\n", "line 2] expected a path, found ''"),
        ("a.png,0\n\0,1\n", "line 2] expected a path, found "),
        ("a.png,0\npath,label\n", "line 2] expected a label from 0, found 'label'"),
        ("label,path\n0,a.png\n", "line 1] expected a label from 0, found 'path'"),
        ('a.png,0\n"b.png,1\nc.png,1\n', "line 2] expected path,label, found unexpected end"),
        (b"a.png,0\nb.png,1\n\xe9.png,1\n", "line 3] expected text in UTF-8"),
        ("a.png,0\n".encode("utf-16"), "line 1] expected text in UTF-8"),
        (b"a.png,0\n" * 9000 + b"\xe9.png,1\n", "line 9001] expected text in UTF-8"),
        ("", "] expected lines of path,label, found none"),
        ("path,label\n\n", "] expected lines of path,label, found none"),
    ],
)
def test_what_is_wrong_in_a_csv_is_named_with_its_line(tmp_path, text, message):
    file = csv_of(tmp_path, text)
    with pytest.raises(DataError, match=f"{re.escape(file)}.*{re.escape(message)}"):
        read(file)


def test_lines_count_anew_in_each_of_several_csvs(tmp_path):
    one, two = csv_of(tmp_path, "a.png,0\n" * 5), csv_of(tmp_path, "a.png,0\nb.png,x\n", "2.csv")
    with pytest.raises(DataError, match=r"2\.csv line 2\]"):
        read(f"{one},{two}")
    with pytest.raises(DataError, match=r"3\.csv\] expected lines"):
        read(f"{one},{csv_of(tmp_path, '', '3.csv')}")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a.png,2", {"num_classes": 2}, r"line 1\] expected a label from 0 to 1, found 2\. .*2 cl"),
        ("a.png,2", {"class_names": ("x", "y")}, "a label from 0 to 1, found 2"),
        ("a.png,z", {"class_names": ("x", "y")}, "a number or one of 2 class names, found 'z'"),
        ("a.png,x", {"class_names": ("x", "x")}, "found a name of several classes"),
        ("a.png,x", {"class_names": ("x",), "num_classes": 3}, "expected 3 classes, found 1: x"),
    ],
)
def test_labels_beyond_the_classes(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message):
        read(csv_of(tmp_path, text), **options)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("{}/none.csv", r"none\.csv\] expected a readable file, found: No such file"),
        ("{}/train.csv,{}/none.csv", r"none\.csv\] expected a readable file"),
        ("{}/train.csv,{}", "expected a readable file, found: Is a directory"),
        ("{}/train.csv,", "expected a CSV of path,label or a folder of class folders"),
        ("", r"\[data set\] expected a CSV of path,label or a folder of class folders"),
    ],
)
def test_files_that_are_not_there(tmp_path, meta, message):
    csv_of(tmp_path, "a.png,0\n")
    with pytest.raises(DataError, match=message):
        read(meta.replace("{}", str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected one class name a line, found none"),
        (b"a\n\nb\n", r"names\.txt line 2\] expected a class name, found an empty line"),
        (b"\xff\n", r"names\.txt\] expected text in UTF-8"),
        (None, r"names\.txt\] expected a readable file"),
    ],
)
def test_files_of_class_names(tmp_path, content, message):
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(csv_of(tmp_path, "a.png,0\n"), class_names_file=str(tmp_path / "names.txt"))


def test_many_lines_take_no_time_and_little_memory(tmp_path):
    count = 100_000
    file = csv_of(tmp_path, "".join(f"n{i % 1000}/{i}.jpg,{i % 1000}\n" for i in range(count)))
    begin = time.perf_counter()
    found = read(file)
    assert time.perf_counter() - begin < 2  # takes 0.1 s; 1.3 million lines 1 s
    assert len(found) == count and len(found.class_names) == 1000
    assert found.where(count - 1).endswith(f"line {count}: n999/{count - 1}.jpg")
    beside_paths = sum(getattr(found, name).nbytes for name in ("labels", "lines"))
    assert beside_paths == 8 * count


# Class folders.


def test_folders_are_classes_in_order_of_their_names(tmp_path):
    root = tree(
        tmp_path / "set",
        *("dog/2.JPG", "dog/1.png", "cat/old/deep/é.webp", "cat/z.jpeg", "Émile/1.bmp"),
    )
    found = read(root)
    assert found.class_names == ("cat", "dog", "Émile")
    assert [p.removeprefix(f"{root}/") for p in found.paths] == [
        *("cat/old/deep/é.webp", "cat/z.jpeg", "dog/1.png", "dog/2.JPG", "Émile/1.bmp"),
    ]
    assert found.labels.tolist() == [0, 0, 1, 1, 2]
    assert found.labels.dtype == np.int32
    assert found.where(1) == f"{root}/cat/z.jpeg"
    assert found.relative(1) == "cat/z.jpeg"
    assert found.note == ""


def test_links_to_images_and_folders_are_followed(tmp_path):
    tree(tmp_path / "store", "1.png", "more/2.png")
    root = Path(tree(tmp_path / "set", "a/0.png"))
    (root / "b").symlink_to(tmp_path / "store")
    assert read(str(root)).labels.tolist() == [0, 1, 1]
    (root / "a" / "back").symlink_to(root / "a")
    with pytest.raises(DataError, match=r"a/back\] expected a folder, found a link to one above"):
        read(str(root))


def test_what_is_left_out_is_told(tmp_path):
    tree(
        tmp_path, "a/1.png", "a/._1.png", "a/x.gif", "b/1.png", ".ipynb_checkpoints/1.png", "l.txt"
    )
    found = read(str(tmp_path))
    assert len(found) == 2 and found.class_names == ("a", "b")
    assert found.note.startswith("left out 4 entries without an image's name: ")
    assert f"{tmp_path}/.ipynb_checkpoints, " in found.note and found.note.endswith(", …")


def test_an_evaluation_set_has_the_classes_of_the_training_set(tmp_path):
    train = read(tree(tmp_path / "train", "a/1.png", "b/1.png", "c/1.png"))
    some = read(tree(tmp_path / "val", "c/1.png", "b/1.png"), class_names=train.class_names)
    assert some.class_names == ("a", "b", "c")
    assert some.labels.tolist() == [1, 2]
    tree(tmp_path / "val", "d/1.png")
    with pytest.raises(DataError, match=r"3 known classes \(a, b, c\), found 'd'"):
        read(str(tmp_path / "val"), class_names=train.class_names)


def test_a_file_of_class_names_orders_the_folders(tmp_path):
    names = csv_of(tmp_path, "b\na\n", "names.txt")
    found = read(tree(tmp_path / "set", "a/1.png", "b/1.png"), class_names_file=names)
    assert found.class_names == ("b", "a")
    assert found.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ([], {}, "expected class folders, found none"),
        (["1.png", "2.png"], {}, "expected class folders, found images without one, 1.png"),
        (["a/1.png", "b/x.gif"], {}, "in each class folder, found none in b. Put"),
        (["train/a/1.png", "val/a/1.png"], {}, "found the splits train, val"),
        (["a/1.png", "b/1.png"], {"num_classes": 3}, "expected 3 classes, found 2: a, b"),
    ],
)
def test_folders_that_are_no_class_folders(tmp_path, files, options, message):
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        read(tree(tmp_path / "set", *files), **options)
    assert str(tmp_path / "set") in str(caught.value)


# Splits.


@pytest.mark.parametrize(
    ("files", "train", "evaluation"),
    [
        (["train/a/1.png", "val/a/1.png", "test/a/1.png"], "train", "val"),
        (["Train/a/1.png", "Test/a/1.png"], "Train", "Test"),
        (["train/a/1.png", "README.md", ".git/x"], "train", None),
        (["train/1.png", "bus/1.png", "car/1.png"], "", None),  # a class
        (["train.csv", "eval.csv", "train/a/1.png"], "train.csv", "eval.csv"),
        (["train.csv", "val/a/1.png"], "train.csv", None),
        (["a/1.png", "b/1.png"], "", None),
    ],
)
def test_splits_are_found(tmp_path, files, train, evaluation):
    root = tree(tmp_path, *files)
    expected = f"{root}/{train}" if train else root, evaluation and f"{root}/{evaluation}"
    assert splits(root) == expected


def test_a_csv_has_no_splits(tmp_path):
    assert splits(csv_of(tmp_path, "a.png,0\n")) == (str(tmp_path / "train.csv"), None)


def names_of(part):
    return {part.relative(index) for index in range(len(part))}


def test_what_is_held_out_stays_so(tmp_path):
    files = [f"{'ab'[i % 2]}/{i}.png" for i in range(400)]
    train, held = hold_out(read(tree(tmp_path / "one", *files)))
    assert len(train) + len(held) == 400
    assert 20 < len(held) < 60
    assert not names_of(train) & names_of(held)
    assert train.class_names == held.class_names == ("a", "b")
    for part in (train, held):
        assert [name[0] == "b" for name in map(part.relative, range(len(part)))] == list(
            part.labels == 1
        )
    # In another place, with other files beside them, and as a CSV.
    more_train, more_held = hold_out(read(tree(tmp_path / "two", *files, "a/x.png", "0/y.png")))
    assert names_of(more_held) & set(files) == names_of(held)
    assert names_of(more_train) & set(files) == names_of(train)
    lines = "".join(f"{file},0\n" for file in reversed(files))
    csv_train, csv_held = hold_out(read(csv_of(tmp_path / "three", f"path,label\n{lines}")))
    assert names_of(csv_held) == names_of(held)
    first = csv_train.relative(0)
    assert csv_train.where(0).endswith(f"line {401 - files.index(first)}: {first}")
    assert names_of(held) < names_of(hold_out(read(str(tmp_path / "one")), 0.3)[1])


def test_the_held_out_images_are_those_of_every_version(tmp_path):
    _, held = hold_out(read(tree(tmp_path, *(f"a/{i}.png" for i in range(60)))))
    numbers = [int(name[2:-4]) for name in names_of(held)]
    assert sorted(numbers) == [2, 5, 8, 25, 31, 35, 51]


def test_too_few_images_to_hold_any_out(tmp_path):
    with pytest.raises(DataError, match=r"enough images to hold out 10% of them, found 1\. Give"):
        hold_out(read(tree(tmp_path, "a/1.png")))


def test_importing_leaves_tensorflow_out():
    code = "import sys, lambda_fast.data.splits; sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
