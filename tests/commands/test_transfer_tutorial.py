"""The tutorial's commands, in its order, on a few small images and a network of random weights."""

import importlib
import importlib.util
import json
import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from lambda_fast import checkpoint

PAGE = Path(__file__).resolve().parents[2] / "docs" / "transfer_learning.md"
SMALL = ["augmenter.height=32", "augmenter.width=32", "inputter.resize=36", "epochs=1"]
SMALL += ["batch_size_per_gpu=4", "modeler.warmup_epochs=0.5"]


def commands():
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def run(words):
    """In this process, which has paid for TensorFlow already."""
    assert words[:2] == ["python", "-m"]
    small = [flag for setting in SMALL for flag in ("--set", setting)]
    return importlib.import_module(words[2]).main([*words[3:], *small])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of bright bees and dark ants, and weights as Keras publishes them."""
    folder = tmp_path_factory.mktemp("tutorial")
    rng = np.random.default_rng(0)
    for split, count in (("train", 9), ("val", 5)):
        for name, level in (("ants", 0), ("bees", 150)):
            (folder / "photos" / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(level, level + 100, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"photos/{split}/{name}/{index}.jpg")
    keras.utils.set_random_seed(3)
    whole = keras.applications.MobileNet(alpha=0.25, weights=None)
    whole.save(folder / "mobilenet_2_5_224_tf.h5")
    return folder


def values(folder):
    path = checkpoint.path_of(folder, checkpoint.all_steps(folder)[-1])
    return checkpoint.read(path).values


def test_the_page_leads_from_a_folder_to_an_exported_model(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    head, upper, *rest = commands()
    assert run(head) == 0
    output = capfd.readouterr().out
    shown = re.search(r"```\n(Frozen: .*?)```", PAGE.read_text(), re.S)[1]
    for line in shown.splitlines():
        assert line in output
    assert run(upper) == 0
    assert "Restored 137 (" in capfd.readouterr().out
    first, second = values(Path("runs/head")), values(Path("runs/upper"))
    moved = {name for name in first if not np.array_equal(first[name], second[name])}
    learned = {f"model/conv_{kind}_{block}/kernel" for kind in ("dw", "pw") for block in (12, 13)}
    assert {n for n in moved if n.startswith("model/")} == learned | {
        "model/logits/kernel",
        "model/logits/bias",
    }
    evaluate, infer, export = rest
    assert run(evaluate) == 0
    assert json.loads(Path("runs/upper/eval.json").read_text())["images"] == 10
    assert run(infer) == 0
    assert "bees" in capfd.readouterr().out
    if importlib.util.find_spec("lambda_fast.export") is None:
        pytest.skip("all but the export, which this version does not have")
    assert run(export) == 0
    assert Path("exported/saved_model.pb").exists()


def test_a_run_goes_on_from_its_own_checkpoint_with_the_patterns_that_it_began_with(
    folder, monkeypatch, capfd
):
    """After the page's commands; what it once began from need not be there any more."""
    monkeypatch.chdir(folder)
    upper = commands()[1]
    gone = [word.replace("=runs/head", "=runs/gone") for word in upper]
    assert run(gone) == 0
    output = capfd.readouterr().out
    assert "Learning: 6 (" in output and "steps of this run are done" in output
    assert "Restored" not in output
    changed = [word.replace("conv_*_1[23]", "conv_pw_13") for word in upper]
    with pytest.raises(checkpoint.CheckpointError, match=r"modeler.trainable_vars = .*conv_pw_13"):
        run(changed)
