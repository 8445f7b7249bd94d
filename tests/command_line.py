"""Commands on the tiny data set, as a person starts them, and one run that several tests ask."""

import os
import subprocess
import sys
from pathlib import Path

import tiny_run
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
# A test that imports TensorFlow before has its log level in the environment.
CLEAN = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
SETTINGS = ["epochs=3", "batch_size_per_gpu=16", "modeler.warmup_epochs=0.5"]


def run(which, folder, *arguments, settings=()):
    settings = [f for s in (*SETTINGS, *settings, f"model_dir={folder}") for f in ("--set", s)]
    command = [sys.executable, ROOT / "tests" / "tiny_run.py", which, "--config", "cifar10"]
    return subprocess.run(
        [*command, *settings, *map(str, arguments)],
        cwd=ROOT,
        env=CLEAN | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def refused(done, message):
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def write_images(folder):
    """The evaluation images as files."""
    for index, image in enumerate(tiny_run.tiny_load("eval").images):
        Image.fromarray(image).save(folder / f"{index:02d}.png")
    return folder
