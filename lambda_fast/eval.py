"""Evaluates the newest checkpoint of a run, every image once.

    python -m lambda_fast.eval --config cifar10 [--set model_dir=DIR] [--json]
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

from lambda_fast import command
from lambda_fast.build import find
from lambda_fast.config import Config
from lambda_fast.newest_checkpoint import newest
from lambda_fast.quiet import import_tensorflow


def run(config: Config, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Evaluates through `callback.eval_names`, and writes `<model_dir>/eval.json`.

    Args:
        config: the run.
        say: prints a line.

    Returns:
        `checkpoint`, `step`, `images`, `loss`, `accuracy`, with more than five classes
        `top_5_accuracy`; `classes`, each with its accuracy, and `confusion`.

    Raises:
        UserError: what is wrong, and what to do.
    """
    source = newest(config.checkpoints_path(), "eval", command.note)
    import_tensorflow()
    from lambda_fast.runner.forward_runner import forward_runner

    inputter = find("inputter", config.inputter.name)(config, "eval")
    with contextlib.closing(inputter):
        return forward_runner(config, "eval", inputter, source, say).run().results


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = command.parser("eval", __doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="prints all of it as JSON")
    options = parser.parse_args(arguments)
    config = command.configured(options)
    if options.json:
        print(json.dumps(run(config, say=lambda line: None), indent=2))
    else:
        run(config)
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
