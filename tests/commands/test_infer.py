"""infer: what a checkpoint says of image files, and one line for whatever is wrong with them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_run
from command_line import refused, run
from PIL import Image

from lambda_fast import checkpoint, infer, picture
from lambda_fast.build import recipe
from lambda_fast.callback import infer_display_image_classification as display
from lambda_fast.data.cifar10 import CLASS_NAMES
from lambda_fast.data.fetch import DataError
from lambda_fast.data.samples import sample_paths
from lambda_fast.inputter.image_files import load_images
from lambda_fast.prediction import Prediction


def altered(trained, folder, **facts):
    """A copy of the run whose checkpoint has other facts; None takes one away."""
    (path,) = (trained / "checkpoints").iterdir()
    found = checkpoint.read(path)
    changed = {name: value for name, value in (found.facts | facts).items() if value is not None}
    checkpoint.write(folder, checkpoint.Checkpoint(found.step, changed, found.values), 1)
    return folder


# What it says.


def test_a_checkpoint_stores_its_classes(trained):
    (path,) = (trained / "checkpoints").iterdir()
    assert checkpoint.read(path).facts["class_names"] == list(CLASS_NAMES)


def test_a_folder_is_predicted_as_eval_does(trained, images):
    evaluated = run("eval", trained, "--json")
    assert evaluated.returncode == 0 and evaluated.stderr == ""
    expected = json.loads(evaluated.stdout)
    assert expected == json.loads((trained / "eval.json").read_text())
    done = run("infer", trained, "--samples", images, "--json")
    assert done.returncode == 0 and done.stderr == ""
    found = json.loads(done.stdout)
    assert [Path(one["path"]).name for one in found] == [f"{i:02d}.png" for i in range(43)]
    labels = tiny_run.tiny_load("eval").labels
    best = np.array([[entry["label"] for entry in one["classes"]] for one in found])
    right = best[:, 0] == labels
    assert np.mean(right) == pytest.approx(expected["accuracy"])
    assert np.mean(right) > 0.2  # of ten classes: the order of the files matters
    assert np.mean((best == labels[:, None]).any(axis=1)) == pytest.approx(
        expected["top_5_accuracy"]
    )
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, best[:, 0]), 1)
    assert expected["confusion"] == confusion.tolist()
    for label, entry in enumerate(expected["classes"]):
        share = right[labels == label].mean() if (labels == label).any() else None
        images_of = int((labels == label).sum())
        assert entry == {"name": CLASS_NAMES[label], "images": images_of, "accuracy": share}
    assert list((trained / "summaries" / "eval").iterdir())
    for one in found:
        shares = [entry["probability"] for entry in one["classes"]]
        assert len(shares) == 5 and shares == sorted(shares, reverse=True) and sum(shares) <= 1.001
        assert all(entry["name"] == CLASS_NAMES[entry["label"]] for entry in one["classes"])


def test_the_callbacks_are_those_that_are_named(trained):
    settings = ["callback.eval_names=eval_basic,eval_accuracy"]
    done = run("eval", trained, "--json", settings=settings)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in json.loads(done.stdout) and "loss" not in json.loads(done.stdout)


def test_the_size_of_a_batch_changes_nothing(trained, images):
    files = ",".join(str(images / f"{index:02d}.png") for index in range(5))
    outputs = []
    for size in (2, 16):
        done = run(
            *("infer", trained, "--samples", files, "--json"),
            settings=[f"batch_size_per_gpu={size}"],
        )
        assert done.returncode == 0, done.stderr
        outputs.append(json.loads(done.stdout))
    for one, other in zip(*outputs, strict=True):
        assert one["path"] == other["path"]
        assert [e["probability"] for e in one["classes"]] == pytest.approx(
            [e["probability"] for e in other["classes"]], rel=1e-3
        )


def test_tables_and_a_picture(trained, images, tmp_path):
    odd = tmp_path / "é, 犬.png"
    shutil.copy(images / "01.png", odd)
    done = run(
        *("infer", trained, "--samples", f"{images / '00.png'}, {images / '02.png'}"),
        *("--samples", odd, "--show", tmp_path / "out.png"),
    )
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert [lines[index] for index in (0, 6, 12)] == [
        *(str(images / name) for name in ("00.png", "02.png")),
        str(odd),
    ]
    for begin in (1, 7, 13):
        assert len({len(line) for line in lines[begin : begin + 5]}) == 1
        for line in lines[begin : begin + 5]:
            name, share = line.split()
            assert name in CLASS_NAMES and share.endswith("%")
    with Image.open(tmp_path / "out.png") as drawn:
        # Two cells in a row: the first image stands enlarged in the first of them.
        pixel = drawn.getpixel((picture.MARGIN + 3, picture.MARGIN + 3))
        assert pixel == Image.open(images / "00.png").getpixel((0, 0))
        assert drawn.size == (508, 632)


def test_a_checkpoint_without_class_names_has_those_of_the_data_set(trained, images, tmp_path):
    old = altered(trained, tmp_path / "old", class_names=None)
    done = run("infer", old, "--samples", images / "00.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["classes"][0]["name"] in CLASS_NAMES
    assert run("eval", old).returncode == 0
    assert run("train", old).returncode == 0  # and it goes on


def test_the_classes_are_those_that_were_learned(trained, images, tmp_path):
    names = [f"kind {label}" for label in range(10)]
    other = altered(trained, tmp_path / "other", class_names=names)
    done = run("infer", other, "--samples", images / "00.png")
    assert done.returncode == 0 and "  kind " in done.stdout
    for which in ("eval", "train"):
        refused(
            run(which, other), "expected class 0 to be 'airplane' as in the data set, found 'ki"
        )


def test_a_csv_names_samples(images, tmp_path):
    (tmp_path / "list.csv").write_text(f"path,label\n{images / '03.png'},3\nhere.png,1\n\n")
    assert sample_paths([str(tmp_path / "list.csv")]) == [
        str(images / "03.png"),
        str(tmp_path / "here.png"),
    ]
    for content, message in (
        ("path\n", "found none"),
        (" ,3\n", "list.csv line 1\\] expected a p"),
    ):
        (tmp_path / "list.csv").write_text(content)
        with pytest.raises(DataError, match=message):
            sample_paths([str(tmp_path / "list.csv")])


# What it refuses, before TensorFlow is imported.


@pytest.fixture
def without_network(monkeypatch):
    def fail():
        raise AssertionError("TensorFlow was about to be imported")

    monkeypatch.setattr(infer, "import_tensorflow", fail)


def bad_file(folder, kind):
    path = folder / "bad.png"
    good = folder / "good.png"
    Image.new("RGB", (40, 30)).save(good)
    content = {"page": b"<html>", "empty": b"", "cut": good.read_bytes()[:-40], "gone": None}[kind]
    if content is not None:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["page", "empty", "cut", "gone"])
def test_a_file_that_is_no_image_is_named(trained, tmp_path, without_network, kind):
    path = bad_file(tmp_path, kind)
    with pytest.raises(DataError, match=r"expected .*image.*bad\.png|bad\.png.*expected an image"):
        infer.main(["--config", "cifar10", "--set", f"model_dir={trained}", "--samples", str(path)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "none.png"], "found nothing at 'none.png'"),
        (["--samples", "README.md,"], "found nothing at ''"),
        (["--samples", "x" * 300 + "," + "y" * 300], "found nothing at 'xxx"),
        (["--samples", "{empty}"], "expected images in {empty}, found none"),
        (["--samples", "{image}", "--show", "out"], "in .png or .jpg, found none"),
        (["--samples", "{image}", "--show", "out.txt"], "in .png or .jpg, found .txt"),
        (["--samples", "{image}", "--show", "none/out.png"], "found no folder none"),
        (
            ["--samples", "{image}", "--set", "model_dir={empty}"],
            "[infer] expected a checkpoint in",
        ),
        (["--samples", "{image}", "--set", "inputter.dataset=x"], "[data] expected one of cifar10"),
    ],
)
def test_arguments_that_do_not_fit(trained, tmp_path, without_network, arguments, message):
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    places = {"empty": str(tmp_path / "empty"), "image": str(tmp_path / "1.png")}
    arguments = [argument.format(**places) for argument in arguments]
    with pytest.raises(Exception, match="expected") as caught:
        infer.main(["--config", "cifar10", "--set", f"model_dir={trained}", *arguments])
    assert message.format(**places) in str(caught.value)


def test_a_file_that_is_no_image_costs_one_line(trained, tmp_path):
    refused(run("infer", trained, "--samples", bad_file(tmp_path, "page")), "expected an image")


def test_a_recipe_that_sees_other_images_is_refused(trained, images):
    done = run(
        *("infer", trained, "--samples", images / "00.png"), settings=["augmenter.normalize=image"]
    )
    refused(done, "augmenter.normalize = 'image', found 'channels'")


def test_samples_are_required():
    done = run("infer", "runs/none")
    assert done.returncode == 2 and "--samples" in done.stderr


# How files become images.


def test_images_are_upright_whole_and_in_colour(tmp_path):
    half = np.zeros((40, 80, 3), np.uint8)
    half[:, 40:] = 200
    image = Image.fromarray(half)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    files = {
        "plain.png": (image, {}),
        "turned.png": (image, {"exif": exif}),
        "grey.png": (image.convert("L"), {}),
        "palette.png": (image.quantize(2), {}),
        "deep.png": (Image.fromarray(half[..., 0].astype(np.uint16) << 8), {}),
        "print.jpg": (image.convert("CMYK"), {"quality": 95}),
        "alpha.png": (image.convert("RGBA"), {}),
    }
    for name, (one, options) in files.items():
        one.save(tmp_path / name, **options)
    found = load_images([str(tmp_path / name) for name in files], recipe("cifar10"))
    assert found.shape == (7, 32, 32, 3) and found.dtype == np.uint8
    for name, one in zip(files, found.astype(int), strict=True):
        upper = one.transpose(1, 0, 2) if name == "turned.png" else one
        assert np.abs(upper[:, :14]).max() < 6, name
        assert np.abs(upper[:, 18:] - 200).max() < 6, name


def test_captions_fit():
    assert picture.fitted("cat", 16, 200) == "cat"
    for text in ("a very long name of a class that nobody can read", "犬" * 80, "x" * 500):
        short = picture.fitted(text, 16, 150)
        assert "…" in short and picture._width(short, 16) <= 150
    assert picture.fitted("two\nlines\tand \udce9", 12, 500) == "two lines and ?"


def test_a_picture_of_many(tmp_path, capsys, monkeypatch):
    Image.new("RGB", (300, 200), "red").save(tmp_path / "1.png")
    many = [Prediction(str(tmp_path / "1.png"), (("cat", 3, 1.0),))] * 7
    monkeypatch.setattr(picture, "MOST", 5)
    display.show(many, tmp_path / "out.jpg")
    assert "shows the first 5 images" in capsys.readouterr().err
    assert Image.open(tmp_path / "out.jpg").size == (752, 632)  # three in a row
