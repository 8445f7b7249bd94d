"""Getting Started runs, and the page shows the program's own lines."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
from image_files import photo_set

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "examples" / "getting_started.py"


def test_the_page_shows_the_whole_program():
    page = (ROOT / "docs" / "getting_started.md").read_text()
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S))
    text = PROGRAM.read_text()
    program = text[text.index('"""\n\n') + 3 :]
    assert [line for line in blocks.splitlines() if line] == [
        line for line in program.splitlines() if line
    ]
    commands = "\n".join(re.findall(r"^```bash\n(.*?)^```$", page, re.M | re.S))
    assert all(line.strip() in commands for line in text.splitlines()[2:5])


def test_it_trains_and_evaluates(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow")
    from lambda_fast.network import resnet32

    monkeypatch.setattr(resnet32, "BLOCKS_PER_STAGE", 1)
    monkeypatch.setenv("HOME", str(tmp_path))
    for split, count in (("train", 40), ("eval", 23)):
        photo_set(tmp_path / "data" / split, count, 10, ((32, 32),))
        lines = (tmp_path / "data" / split / "images.csv").read_text().splitlines()
        listed = "".join(f"{split}/{line}\n" for line in lines)
        (tmp_path / "data" / f"{split}.csv").write_text(listed)
    arguments = ["--data", "~/data", "--model-dir", "~/model", "--batch-size-per-gpu", "10"]
    for mode in ("train", "eval"):
        monkeypatch.setattr(
            sys, "argv", ["getting_started.py", *arguments, "--epochs", "2", "--mode", mode]
        )
        runpy.run_path(str(PROGRAM), run_name="__main__")
    summary = json.loads((tmp_path / "model" / "summary.json").read_text())
    assert summary["step"] == 8 and summary["loss"] > 0 and summary["images_per_second"] > 0
    assert "8/8" in capsys.readouterr().out
    assert json.loads((tmp_path / "model" / "eval.json").read_text())["images"] == 23
    assert len(list((tmp_path / "model" / "summaries").glob("events*"))) == 1
    other_modes(tmp_path)


def other_modes(folder):
    """infer and export, from parts as well, with the network that has just been trained."""
    from lambda_fast.augmenter import cifar
    from lambda_fast.callback import export_basic, infer_basic, infer_display_image_classification
    from lambda_fast.glossary import CallbackConfig, InputterConfig, ModelerConfig, RunnerConfig
    from lambda_fast.inputter import image_classification_csv_inputter
    from lambda_fast.modeler import image_classification_modeler
    from lambda_fast.runner import runner

    def application(mode, callbacks, **fields):
        inputter = InputterConfig(mode, samples=["~/data/eval.csv"], resize=32)
        watching = CallbackConfig(mode, model_dir="~/model", **fields)
        return runner.build(
            RunnerConfig(mode),
            image_classification_csv_inputter.build(inputter, cifar.build(height=32, width=32)),
            image_classification_modeler.build(ModelerConfig(mode)),
            [one.build(watching) for one in callbacks],
        )

    predictions = application("infer", [infer_basic, infer_display_image_classification]).run()
    assert len(predictions) == 23 and (folder / "model" / "infer.png").stat().st_size > 0
    exported = application("export", [export_basic], export_dir="~/served").run()
    assert exported == folder / "served" and (exported / "saved_model.pb").exists()
