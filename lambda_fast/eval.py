"""Evaluates the newest checkpoint of a run, every image once.

python -m lambda_fast.eval --config cifar10 [--set model_dir=DIR]
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from lambda_fast import checkpoint, command
from lambda_fast.build import find
from lambda_fast.config import Config
from lambda_fast.quiet import import_tensorflow
from lambda_fast.runner.evaluate import evaluate as one_pass


def newest(model_dir: Path, asking: str = "eval") -> Path:
    """The newest checkpoint of a run, for the command that is asking.

    Raises:
        CheckpointError: there is none; random weights are never used instead.
    """
    steps = checkpoint.all_steps(model_dir)
    if not steps:
        raise checkpoint.CheckpointError(
            f"[{asking}] expected a checkpoint in {model_dir / checkpoint.FOLDER}, found none. "
            "Train first, or name the run's folder with --set model_dir=DIR"
        )
    return checkpoint.path_of(model_dir, steps[-1])


def evaluate(config: Config) -> dict[str, float | int | str]:
    """Evaluates, and writes `<model_dir>/eval.json`.

    Returns:
        `checkpoint`, `step`, `averaged` (whether by the means of `modeler.ema`), `images`, `loss`,
        `accuracy`.

    Raises:
        UserError: what is wrong, and what to do.
    """
    path = newest(config.checkpoints_path())
    found = checkpoint.read(path)
    import_tensorflow()
    inputter = find("inputter", config.inputter.name)(config, "eval")
    with contextlib.closing(inputter):
        modeler = find("modeler", config.modeler.name)(config, inputter, "eval")
        checkpoint.check_facts(path, found.facts, modeler.image_facts())
        checkpoint.check_class_names(path, found.facts, inputter.class_names)
        modeler.restore(path, found.values)
        result = one_pass(inputter, modeler)
    values = {
        "checkpoint": str(path),
        "step": found.step,
        "averaged": modeler.averaged,
        "images": result.images,
        "loss": result.loss,
        "accuracy": result.accuracy,
    }
    content = f"{json.dumps(values, indent=2)}\n".encode()
    checkpoint.write_atomically(config.model_path() / "eval.json", content)
    return values


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    result = evaluate(command.parse("eval", __doc__.splitlines()[0], arguments))
    print(
        f"step {result['step']}: {result['accuracy']:.2%} of {result['images']} images right, "
        f"loss {result['loss']:.4f}{', by averaged weights' if result['averaged'] else ''}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
