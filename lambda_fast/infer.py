"""Says what images show, by the newest checkpoint of a run.

    python -m lambda_fast.infer --config cifar10 --samples a.png,b.jpg [--show out.png] [--json]

A checkpoint knows its classes, so the data set need not be there.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lambda_fast import checkpoint, command
from lambda_fast.build import find
from lambda_fast.config import Config
from lambda_fast.data.class_folders import LeftOut, images_below
from lambda_fast.data.fetch import DataError
from lambda_fast.eval import newest
from lambda_fast.inputter.image_files import load_images
from lambda_fast.quiet import import_tensorflow

TOP = 5  # classes told of each image


@dataclass(frozen=True)
class Prediction:
    """What one image shows.

    Attributes:
        path: of the image.
        classes: (name, label, probability) of the most likely classes, the best first.
    """

    path: str
    classes: tuple[tuple[str, int, float], ...]


def sample_paths(samples: Sequence[str]) -> list[str]:
    """Image files from what was given: names, joined by commas or not; a folder's are all below it.

    Raises:
        DataError: a name of nothing, or a folder without images.
    """
    paths = []
    for given in samples:
        for part in [given] if _exists(given) else given.split(","):
            place = Path(part.strip()).expanduser()
            if not part.strip() or not _exists(part.strip()):
                raise DataError(
                    f"[--samples] expected images or folders of them, found nothing at {part!r}. "
                    "Separate names by commas, or repeat --samples."
                )
            found = [str(place)] if place.is_file() else [*images_below(str(place), LeftOut())]
            if not found:
                raise DataError(f"[--samples] expected images in {place}, found none.")
            paths += found
    return paths


def _exists(name: str) -> bool:
    # Not `Path.exists`, which raises where a list of names is too long for one.
    return os.path.exists(os.path.expanduser(name))  # noqa: PTH110, PTH111


def class_names(found: checkpoint.Checkpoint, config: Config) -> tuple[str, ...]:
    """The classes that a checkpoint has learned; where it is too old to say, the data set's.

    Raises:
        CheckpointError: neither knows.
    """
    if "class_names" in found.facts:
        return tuple(found.facts["class_names"])
    find("data", config.inputter.dataset, "load")
    data = importlib.import_module(f"lambda_fast.data.{config.inputter.dataset}")
    if not hasattr(data, "CLASS_NAMES"):
        raise checkpoint.CheckpointError(
            "[infer] expected class names in the checkpoint, found none. Train one step more"
        )
    return data.CLASS_NAMES


def infer(config: Config, paths: Sequence[str]) -> Iterator[Prediction]:
    """Restores the newest checkpoint and predicts, a batch of images at a time.

    Raises:
        UserError: what is wrong, and what to do. An image of the first batch that cannot be read
            is told before the network is made.
    """
    path = newest(config.checkpoints_path(), "infer")
    size = min(len(paths), config.batch_size_per_gpu)
    batches = [paths[begin : begin + size] for begin in range(0, len(paths), size)]
    images = load_images(batches[0], config)
    found = checkpoint.read(path)
    names = class_names(found, config)
    import_tensorflow()
    inputter = _inputter(images, names, size, config)
    modeler = find("modeler", config.modeler.name)(config, inputter, "infer")
    checkpoint.check_facts(path, found.facts, modeler.image_facts())
    modeler.restore(path, found.values)
    if modeler.averaged:
        print(f"by averaged weights of {path}", file=sys.stderr)
    for index, batch_paths in enumerate(batches):
        if index:
            inputter = _inputter(load_images(batch_paths, config), names, size, config)
        probabilities = modeler.forward_step(inputter.batch(0, 0))["probabilities"].numpy()
        for sample, row in zip(batch_paths, probabilities, strict=False):  # the rest is padding
            best = np.argsort(-row, kind="stable")[:TOP]
            yield Prediction(sample, tuple((names[i], int(i), float(row[i])) for i in best))


def _inputter(images: np.ndarray, names: tuple[str, ...], size: int, config: Config) -> Any:
    """One padded batch of the images."""
    from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
    from lambda_fast.inputter.order import Order

    order = Order(
        samples=len(images), batch_size=size, seed=config.seed, shuffle=False, complete=True
    )
    return InMemoryInputter(images, None, names, order)


def table(prediction: Prediction) -> str:
    """The lines of one image: its path, then a class a line, in columns."""
    from rich.cells import cell_len

    width = max(cell_len(name) for name, _, _ in prediction.classes)
    lines = [
        f"  {name}{' ' * (width - cell_len(name))}  {probability:7.2%}"
        for name, _, probability in prediction.classes
    ]
    return "\n".join([prediction.path, *lines]).encode(errors="replace").decode()


def as_json(predictions: Sequence[Prediction]) -> str:
    """A list of `path` and `classes`, each with `name`, `label` and `probability`."""
    keys = ("name", "label", "probability")
    entries = [
        {"path": one.path, "classes": [dict(zip(keys, c, strict=True)) for c in one.classes]}
        for one in predictions
    ]
    return json.dumps(entries, indent=2)


def show(predictions: Sequence[Prediction], target: Path) -> None:
    """Draws the images with their likeliest classes, as many as a picture takes."""
    from lambda_fast import picture

    if len(predictions) > picture.MOST:
        print(f"{target} shows the first {picture.MOST} images", file=sys.stderr)
    shown = predictions[: picture.MOST]
    entries = [picture.Captioned(p.path, p.classes[0][0], p.classes[0][2]) for p in shown]
    picture.draw(entries).save(target)


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = command.parser("infer", __doc__.splitlines()[0])
    parser.add_argument(
        "--samples",
        action="append",
        required=True,
        metavar="FILES",
        help="images or folders of them, separated by commas; may be repeated",
    )
    parser.add_argument("--show", metavar="FILE", help="draws the images with their classes there")
    parser.add_argument("--json", action="store_true", help="prints JSON instead of tables")
    options = parser.parse_args(arguments)
    config = command.configured(options)
    target = Path(options.show).expanduser() if options.show is not None else None
    if target is not None:
        from lambda_fast.picture import check_target

        check_target(target)
    predictions = []
    for prediction in infer(config, sample_paths(options.samples)):
        predictions.append(prediction)
        if not options.json:
            print(table(prediction))
    if options.json:
        print(as_json(predictions))
    if target is not None:
        show(predictions, target)
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
