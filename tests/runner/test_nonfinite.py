"""A black image makes a network's first layer divide by zero: the run says which, and where."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import ranks
from image_files import encoded, photo_set

from lambda_fast import checkpoint

BLACK = 17


def explained(folder):
    return json.loads((folder / "nonfinite.json").read_text())


def test_all_ranks_stop_together_and_name_image_and_layer(tmp_path):
    settings = ("augmenter.normalize=none", "augmenter.brightness=0", "gpu_count=2")
    code, output, errors = ranks.run(tmp_path, *settings, DIVIDES="1", BLACK=str(BLACK))
    assert code == 2, output + errors
    assert errors.count("error:") == 1
    assert errors.count("\n") == 1, errors
    found = explained(tmp_path)
    assert "[loss] expected finite values of loss and gradients" in errors
    assert f"at step {found['step']}: the first bad tensor on rank" in errors
    assert "is the output of layer over_its_mean: 3072 NaN and 0 infinite" in errors
    assert f"for 1 of its images (id {BLACK})" in errors
    assert found["variables_of_step"] == found["step"] - 1
    bad = [[s["id"] for s in rank["samples"] if s["bad"]] for rank in found["ranks"]]
    assert sorted(bad) == [[], [BLACK]]
    assert all(step < found["step"] for step in checkpoint.all_steps(tmp_path))
    assert ranks.left(tmp_path) == []


def test_a_step_is_skipped_and_its_file_named(tmp_path):
    photos = photo_set(tmp_path / "photos", 40)
    with open(photos) as file:  # noqa: PTH123
        black = tmp_path / "photos" / list(csv.reader(file))[BLACK][0]
    black.write_bytes(encoded(np.zeros((50, 50, 3), np.uint8), "PNG"))
    settings = {
        "inputter.dataset_meta": photos,
        "inputter.hold_out": 0.1,
        "augmenter.height": 32,
        "augmenter.width": 32,
        "augmenter.normalize": "none",
        "modeler.network": "resnet32",
        "modeler.learning_rate": 0.001,
        "modeler.on_nonfinite": "skip",
        "batch_size_per_gpu": 8,
        "epochs": 3,
        "model_dir": tmp_path / "run",
    }
    flags = [f for path, value in settings.items() for f in ("--set", f"{path}={value}")]
    done = subprocess.run(
        [sys.executable, ranks.TINY, "train", "--config", "folder", *flags],
        env=os.environ | {"PYTHONPATH": str(ranks.ROOT), "DIVIDES": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"for 1 of its images ({black})" in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["skipped_steps"] >= 1
    assert all(np.isfinite(line["loss"]) for line in lines)
    saved = checkpoint.read(checkpoint.path_of(tmp_path / "run", lines[-1]["step"]))
    assert saved.values["optimizer/iteration"] == lines[-1]["step"]
    assert all(np.isfinite(value).all() for value in saved.values.values())
    (bad,) = [
        sample for sample in explained(tmp_path / "run")["ranks"][0]["samples"] if sample["bad"]
    ]
    assert bad["path"] == str(black)
