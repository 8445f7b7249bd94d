"""Exports the newest checkpoint of a run as a SavedModel that plain TensorFlow loads.

    python -m lambda_fast.export --config cifar10 --out DIR [--onnx] [--force]

The data set need not be there.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambda_fast import command
from lambda_fast.checkpoint import CheckpointError
from lambda_fast.config import Config
from lambda_fast.export_folder import check_free, export_folder
from lambda_fast.infer import class_names
from lambda_fast.newest_checkpoint import newest
from lambda_fast.quiet import import_tensorflow


@dataclass(frozen=True, kw_only=True)
class NoImages:
    """What a modeler asks of an inputter, without any image; as in `inputter.Inputter`."""

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    samples: int = 0
    steps_per_epoch: int = 0
    batch_size: int = 0
    spec: None = None
    facts: dict[str, Any] = field(default_factory=dict)


def run(config: Config, say: Callable[[str], None] = print) -> Path:
    """Exports through `callback.export_names`.

    Args:
        config: the run. What is exported computes in float32, whatever it was trained in.
        say: prints a line.

    Returns:
        The folder.

    Raises:
        UserError: what is wrong, and what to do.
    """
    check_free(export_folder(config), config.callback.export_force)
    path, found = newest(config.checkpoints_path(), "export", command.note)
    if "image_shape" not in found.facts:
        raise CheckpointError(
            f"[export] expected the images' size in {path}, found none: an earlier version wrote "
            "it. Train one step more"
        )
    names = class_names(found, config)
    import_tensorflow()
    from lambda_fast.network.layers import tensorflow_alone
    from lambda_fast.runner.forward_runner import forward_runner
    from lambda_fast.serving import converter

    if config.callback.export_onnx:
        converter()  # which may be missing: asked before minutes are spent on the SavedModel
    modeler = dataclasses.replace(config.modeler, precision="float32")
    config = dataclasses.replace(config, modeler=modeler)
    inputter = NoImages(image_shape=tuple(found.facts["image_shape"]), class_names=names)
    with tensorflow_alone():
        runner = forward_runner(config, "export", inputter, (path, found), say)
        return runner.run().results["folder"]


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = command.parser("export", __doc__.splitlines()[0])
    parser.add_argument("--out", metavar="DIR", help="a new folder; else <model_dir>/export")
    parser.add_argument("--onnx", action="store_true", help="writes model.onnx there as well")
    parser.add_argument("--force", action="store_true", help="replaces an export that is there")
    options = parser.parse_args(arguments)
    config = command.configured(options)
    callback = dataclasses.replace(
        config.callback,
        export_dir=options.out or config.callback.export_dir,
        export_onnx=options.onnx or config.callback.export_onnx,
        export_force=options.force or config.callback.export_force,
    )
    run(dataclasses.replace(config, callback=callback))
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
