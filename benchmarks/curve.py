"""Draws a run's `metrics.jsonl` as a small picture.

Example: python -m benchmarks.curve docs/cifar10.png runs/cifar10 runs/cifar10_seed1
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt


def draw(picture: Path, folders: Sequence[Path]) -> None:
    """Test accuracy as points, training accuracy as a line, one colour for each run.

    Args:
        picture: the PNG to write.
        folders: of runs; each holds `metrics.jsonl` and `summary.json`.
    """
    figure, axes = plt.subplots(figsize=(5, 3), dpi=110, layout="constrained")
    for number, folder in enumerate(folders):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        summary = json.loads((folder / "summary.json").read_text())
        steps_per_epoch = summary["step"] / summary["epochs"]
        epochs = [line["step"] / steps_per_epoch for line in lines]
        colour = f"C{number}"
        axes.plot(epochs, [100 * line["accuracy"] for line in lines], colour, lw=0.6, alpha=0.5)
        tests, before = [], None  # lines repeat the figure of the last evaluation
        for epoch, line in zip(epochs, lines, strict=True):
            if line.get("eval_accuracy") != before:
                before = line["eval_accuracy"]
                tests.append((epoch, 100 * before))
        axes.plot([epoch for epoch, _ in tests], [value for _, value in tests], f"o{colour}", ms=4)
        label = f"seed {summary['config']['seed']}: {tests[-1][1]:.2f} % of the test images"
        axes.plot([], [], f"o-{colour}", ms=4, lw=0.6, label=label)
    axes.set(xlabel="epoch", ylabel="right, %", ylim=(40, 100))
    axes.set_title("ResNet32 on CIFAR-10: line training, points test", fontsize=9)
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(alpha=0.3)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("folders", type=Path, nargs="+", metavar="run")
    arguments = parser.parse_args()
    draw(arguments.picture, arguments.folders)


if __name__ == "__main__":
    main()
