"""Starts tiny runs on several ranks, and tells what is left of them."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TINY = str(ROOT / "tests" / "tiny_run.py")
SETTINGS = [
    "gpu_count=2",
    "epochs=2",
    "batch_size_per_gpu=8",
    "callback.save_checkpoints_steps=4",
    "callback.log_every_n_iter=5",
    "augmenter.brightness=20",
    "modeler.warmup_epochs=0.5",
    "runner.bottleneck=false",
]
STEPS = 24  # 200 images, two ranks of 8 a step, two epochs


def command(folder, *settings):
    flags = [f for each in (*SETTINGS, f"model_dir={folder}", *settings) for f in ("--set", each)]
    return [sys.executable, TINY, "train", "--config", "cifar10", *flags]


def start(folder, *settings, before=(), **environment):
    # A test that imported TensorFlow before has left its log level in the environment.
    clean = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [*before, *command(folder, *settings)],
        cwd=ROOT,
        env=clean | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder, *settings, before=(), **environment):
    process = start(folder, *settings, before=before, **environment)
    output, errors = process.communicate(timeout=200)
    return process.returncode, output, errors


def left(folder):
    """Command lines of processes that still work for this folder's run."""
    time.sleep(0.2)
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(folder) in line and state != "Z" and int(path.name) != os.getpid():
            found.append(line)
    return found
