"""Says what images show, by the newest checkpoint of a run.

    python -m lambda_fast.infer --config cifar10 --samples a.png,b.jpg [--show out.png] [--json]

A checkpoint knows its classes, so the data set need not be there.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from lambda_fast import checkpoint, command
from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError
from lambda_fast.data.samples import sample_paths
from lambda_fast.inputter.image_files import load_images
from lambda_fast.newest_checkpoint import newest
from lambda_fast.prediction import Prediction, as_json
from lambda_fast.quiet import import_tensorflow

DISPLAY = "infer_display_image_classification"


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


def run(config: Config, say: Callable[[str], None] = print) -> list[Prediction]:
    """Predicts `inputter.samples` through `callback.infer_names`.

    Args:
        config: the run.
        say: prints what an image shows, a batch of images at a time.

    Raises:
        UserError: what is wrong, and what to do. An image of the first batch that cannot be read
            is told before the network is made.
    """
    if not config.inputter.samples:
        raise ConfigError(
            "[infer] expected images, found none. Name files, folders or CSVs of them: "
            "--samples a.png,b.png"
        )
    paths = sample_paths(config.inputter.samples)
    source = newest(config.checkpoints_path(), "infer", command.note)
    names = class_names(source[1], config)
    first = load_images(paths[: config.batch_size_per_gpu], config)
    import_tensorflow()
    from lambda_fast.inputter.sample_inputter import SampleInputter
    from lambda_fast.runner.forward_runner import forward_runner

    inputter = SampleInputter(paths, first, names, config)
    return forward_runner(config, "infer", inputter, source, say).run().results["predictions"]


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = command.parser("infer", __doc__.splitlines()[0])
    parser.add_argument(
        "--samples",
        action="append",
        metavar="FILES",
        help="images, folders of them or CSVs, separated by commas; may be repeated",
    )
    parser.add_argument("--show", metavar="FILE", help="draws the images with their classes there")
    parser.add_argument("--json", action="store_true", help="prints JSON instead of tables")
    options = parser.parse_args(arguments)
    config = _with(command.configured(options), options.samples, options.show)
    if options.json:
        print(as_json(run(config, say=lambda lines: None)))
    else:
        run(config)
    return 0


def _with(config: Config, samples: list[str] | None, picture: str | None) -> Config:
    """The config with what the command's own arguments say."""
    if samples is not None:
        inputter = dataclasses.replace(config.inputter, samples=tuple(samples))
        config = dataclasses.replace(config, inputter=inputter)
    if picture is not None:
        from lambda_fast.picture import check_target

        check_target(Path(picture).expanduser())  # before anything takes time
        names = dict.fromkeys((*config.callback.infer_names, DISPLAY))
        callback = dataclasses.replace(config.callback, infer_names=tuple(names), picture=picture)
        config = dataclasses.replace(config, callback=callback)
    return config


if __name__ == "__main__":
    sys.exit(command.main(main))
