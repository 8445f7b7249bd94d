"""export: what plain TensorFlow and ONNX Runtime say of images is what infer says."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import run
from image_files import encoded, photo
from PIL import Image

from lambda_fast import checkpoint, eval, export, infer, overrides
from lambda_fast.build import recipe
from lambda_fast.checkpoint import CheckpointError
from lambda_fast.config import ConfigError
from lambda_fast.export_folder import check_free, replaced

VIEWS = ["modeler.test_time_augmentation=flip"]
# A program that knows TensorFlow and nothing of lambda_fast.
LOAD = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "lambda_fast":
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import numpy as np
import tensorflow as tf

folder, pixels, output, *paths = sys.argv[1:]
served = tf.saved_model.load(folder).signatures
assert set(served) == {"encoded", "images", "serving_default"}
files = served["encoded"](encoded=tf.constant([open(path, "rb").read() for path in paths]))
images = served["images"](images=np.load(pixels))
assert [name.decode() for name in files["names"].numpy()] == [
    open(f"{folder}/class_names.txt").read().split()[label] for label in files["classes"].numpy()
]
np.savez(output, files=files["probabilities"], images=images["probabilities"])
"""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "served"
    done = run("export", trained, "--out", folder, "--onnx", settings=VIEWS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"step 36 exported to {folder}\n" and done.stderr == ""
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Files of several sizes and formats; the small ones as the network sees them."""
    folder = tmp_path_factory.mktemp("photos")
    for index, size in enumerate([(48, 64), (100, 40), (32, 32), (20, 33), (300, 451), (32, 32)]):
        kind = "JPEG" if index % 2 else "PNG"
        content = encoded(photo(index, *size), kind, **({"quality": 95} if index % 2 else {}))
        (folder / f"{index}.{kind.lower()}").write_bytes(content)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    (folder / "turned.jpeg").write_bytes(encoded(photo(6, 40, 90), exif=exif, quality=95))
    return sorted(map(str, folder.iterdir()))


@pytest.fixture(scope="module")
def plain(exported, photos, images, tmp_path_factory):
    """What the program without lambda_fast finds; and the pixels that it was given."""
    folder = tmp_path_factory.mktemp("plain")
    pixels = np.stack([Image.open(path) for path in sorted(images.iterdir())[:5]])
    np.save(folder / "pixels.npy", pixels)
    (folder / "load.py").write_text(LOAD)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "load.py", exported, "pixels.npy", "found.npz", *photos],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npz"), pixels


def test_plain_tensorflow_finds_what_infer_finds(plain, trained, photos, images):
    found, pixels = plain
    small = sorted(map(str, images.iterdir()))[: len(pixels)]
    done = run(
        *("infer", trained, "--samples", ",".join([*photos, *small]), "--json"),
        settings=["modeler.precision=float32", *VIEWS],
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    pairs = zip(told, np.concatenate([found["files"], found["images"]]), strict=True)
    for index, (one, probabilities) in enumerate(pairs):
        # Files are decoded and resized by others, whose pixels differ by one here and there.
        tolerance = 2e-2 if index < len(photos) else 1e-4
        for entry in one["classes"]:
            assert probabilities[entry["label"]] == pytest.approx(
                entry["probability"], abs=tolerance
            ), one["path"]


def test_onnx_runtime_finds_the_same(plain, exported):
    onnxruntime = pytest.importorskip("onnxruntime")
    found, pixels = plain
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    outputs = [output.name for output in session.get_outputs()]
    told = dict(zip(outputs, session.run(None, {"images": pixels}), strict=True))
    assert np.allclose(told["probabilities"], found["images"], atol=1e-4)
    assert np.array_equal(told["classes"], found["images"].argmax(axis=1))


def test_without_tf2onnx_nothing_is_written_and_it_says_what_to_install(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    config = overrides.apply(
        recipe("cifar10"),
        [
            f"model_dir={trained}",
            f"callback.export_dir={tmp_path}/out",
            "callback.export_onnx=true",
        ],
    )
    with pytest.raises(ConfigError, match=r"expected tf2onnx .* pip install 'lambda_fast\[onnx\]'"):
        export.run(config)
    assert not (tmp_path / "out").exists()


def test_exporting_twice_is_refused_without_force(trained, exported):
    before = {path: path.stat().st_mtime_ns for path in exported.rglob("*")}
    arguments = ["--config", "cifar10", "--set", f"model_dir={trained}", "--out", str(exported)]
    with pytest.raises(ConfigError, match=r"found an export at .*--force replaces it"):
        export.main(arguments)
    assert before == {path: path.stat().st_mtime_ns for path in exported.rglob("*")}


def test_only_an_export_is_replaced_and_only_by_a_whole_one(tmp_path):
    folder = tmp_path / "served"
    with replaced(folder, force=False) as beside:
        beside.mkdir()
        (beside / "export.json").write_text("1")
    with pytest.raises(ZeroDivisionError), replaced(folder, force=True) as beside:
        beside.mkdir()
        raise ZeroDivisionError
    assert (folder / "export.json").read_text() == "1"
    with replaced(folder, force=True) as beside:
        beside.mkdir()
        (beside / "export.json").write_text("2")
    assert (folder / "export.json").read_text() == "2" and list(tmp_path.iterdir()) == [folder]
    (tmp_path / "own.txt").write_text("")
    with pytest.raises(ConfigError, match="found something else"):
        check_free(tmp_path, force=True)


@pytest.mark.parametrize(
    ("module", "arguments"), [(eval, []), (infer, ["--samples", "README.md"]), (export, [])]
)
def test_without_a_checkpoint_there_is_no_network(module, arguments, tmp_path):
    arguments = ["--config", "cifar10", "--set", f"model_dir={tmp_path}", *arguments]
    with pytest.raises(CheckpointError, match=r"expected a checkpoint in .* found none"):
        module.main(arguments)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_does_not_tell_the_images_size_is_refused(trained, tmp_path):
    (path,) = (trained / "checkpoints").iterdir()
    found = checkpoint.read(path)
    facts = {name: value for name, value in found.facts.items() if name != "image_shape"}
    checkpoint.write(tmp_path, checkpoint.Checkpoint(found.step, facts, found.values), 1)
    with pytest.raises(CheckpointError, match="expected the images' size"):
        export.main(["--config", "cifar10", "--set", f"model_dir={tmp_path}"])
