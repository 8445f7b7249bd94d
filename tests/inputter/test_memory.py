"""The inputter's memory stays flat: nothing is kept of batches that were handed over."""

import subprocess
import sys
from pathlib import Path

from tests.image_files import photo_set

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from pathlib import Path
from tests.inputter.test_image_files_inputter import AugmentSpec, build, config
spec = AugmentSpec(height=128, width=128, crop="random_resized")
inputter = build(config({meta!r}, batch=20, spec=spec), "train")
for epoch in range(60):
    for step in range(inputter.steps_per_epoch):
        inputter.batch(epoch, step)
    if epoch in (19, 59):
        lines = Path("/proc/self/status").read_text().splitlines()
        print(next(line.split()[1] for line in lines if line.startswith("VmRSS")))
inputter.close()
"""


def test_sixty_epochs_take_no_more_than_twenty(tmp_path):
    meta = photo_set(tmp_path / "set", 100)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(meta=meta)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    first, last = (int(line) / 1024 for line in done.stdout.split())
    batches = 40 * 5 * 20 * 128 * 128 * 3 / 2**20  # MiB of pixels that were handed over in between
    assert batches > 180
    assert last - first < 20, f"{first:.0f} MiB after 20 epochs, {last:.0f} after 60"
