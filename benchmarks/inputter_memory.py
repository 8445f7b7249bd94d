"""Resident memory of the inputter over epochs, and with more files: it should stay flat.

    LAMBDA_FAST_PHOTOS=DIR python -m benchmarks.inputter_memory

Twenty epochs of 1,600 JPEGs, then as much work from a list of 160,000; the photographs repeat.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.images import jpeg_files
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import Config, InputterConfig
from lambda_fast.inputter.image_classification_csv_inputter import build

BATCH, EPOCHS, FILES, MANY = 64, 20, 1_600, 160_000
CROPS = AugmentSpec(height=224, width=224, crop="random_resized")


def resident() -> tuple[float, float]:
    """MiB of this process now, and at its highest since the last `reset`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


def reset() -> None:
    """Forgets the highest value."""
    Path("/proc/self/clear_refs").write_text("5")


def epochs(meta: str, count: int, batches: int) -> None:
    """Prints a line an epoch, of `batches` batches."""
    config = Config(
        name="memory",
        batch_size_per_gpu=BATCH,
        augmenter=CROPS,
        inputter=InputterConfig(dataset_meta=meta, hold_out=0.0),
    )
    inputter = build(config, "train")
    for epoch in range(count):
        reset()
        for step in range(batches):
            inputter.batch(epoch, step)
        now, highest = resident()
        print(f"epoch {epoch + 1:2}: {now:7.0f} MiB, highest {highest:7.0f} MiB", flush=True)
    inputter.close()


def main() -> None:
    """Both lists."""
    with tempfile.TemporaryDirectory() as folder:
        paths, source = jpeg_files(Path(folder))
        for files in (FILES, MANY):
            meta = Path(folder) / f"{files}.csv"
            meta.write_text("".join(f'"{paths[i % len(paths)]}",{i % 10}\n' for i in range(files)))
            print(f"{files:,} files ({source}), {FILES // BATCH} batches of {BATCH} an epoch")
            epochs(str(meta), EPOCHS, FILES // BATCH)


if __name__ == "__main__":
    main()
