"""Trains a recipe.

    python -m lambda_fast.train --config cifar10 [--set path=value]… [--print-config]

Started again with the same model_dir, a run goes on where it was stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from typing import Any

from lambda_fast import command, native
from lambda_fast.bottleneck.report import text
from lambda_fast.build import find
from lambda_fast.callback import Run
from lambda_fast.checkpoint import write_atomically
from lambda_fast.config import Config
from lambda_fast.quiet import import_tensorflow
from lambda_fast.runner.joining import as_rank
from lambda_fast.runner.launching import launch
from lambda_fast.runner.world import world_of
from lambda_fast.xla_dump import dump_xla


def train(config: Config) -> Run:
    """Trains, and writes `<model_dir>/summary.json` when the last step is done.

    Raises:
        UserError: what is wrong, and what to do.
    """
    begin = time.perf_counter()
    name = config.runner.name
    if config.gpu_count > 1 and name == "runner":
        name = "all_reduce_runner"
    world = native.core().world()
    rank = world["rank"]
    dump_xla(config.callback.xla_dump, rank, world["ranks"])
    folder = config.model_path()
    with command.own_folder(folder) if rank == 0 else contextlib.nullcontext():
        import_tensorflow()
        run = find("runner", name)(config).run()
        path = folder / "summary.json"
        if rank > 0:
            return run
        if run.is_complete() and (run.step > run.first_step or not path.exists()):
            content = json.dumps(summary(run, time.perf_counter() - begin), indent=2)
            write_atomically(path, f"{content}\n".encode())
    return run


def summary(run: Run, wall_seconds: float) -> dict[str, Any]:
    """What a finished run says of itself; a number that no callback measured is null."""
    from lambda_fast.machine import machine, peak_memory, versions

    metrics = run.metrics
    return {
        "config": dataclasses.asdict(run.config),
        "step": run.step,
        "epochs": run.step / run.inputter.steps_per_epoch,
        "loss": metrics.get("loss"),
        "accuracy": metrics.get("accuracy"),
        "eval_loss": metrics.get("eval_loss"),
        "eval_accuracy": metrics.get("eval_accuracy"),
        "images_per_second": metrics.get("mean_images_per_second"),
        "input_wait": metrics.get("mean_input_wait"),
        "compile_seconds": metrics.get("compile_seconds"),
        "wall_seconds": wall_seconds,
        "bottleneck": run.results.get("bottleneck"),
        "peak_memory": peak_memory(),
        "versions": versions(),
        "machine": machine(),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code.

    With several ranks it starts them, unless it is one of them.
    """
    return _start(command.parse("train", __doc__.splitlines()[0], arguments), arguments)


def run(config: Config) -> dict[str, Any]:
    """Trains as the command does.

    Returns:
        The content of `summary.json`; on other ranks than the first, nothing.

    Raises:
        UserError: what is wrong, and what to do.
        SystemExit: a signal stopped the training, or ranks failed.
    """
    code = _start(config, None)
    if code:
        raise SystemExit(code)
    if native.core().world()["rank"] > 0:
        return {}
    return json.loads((config.model_path() / "summary.json").read_text())


def _start(config: Config, arguments: list[str] | None) -> int:
    """Trains here, on the ranks that this starts, or as one of them. Returns the exit code."""
    world = world_of(os.environ)
    if world is not None and (world.ranks > 1 or config.gpu_count > 1):
        return as_rank(config, world, _report)
    if config.gpu_count > 1:
        return launch(config, arguments)
    return _report(config)


def _report(config: Config) -> int:
    """Trains and says how it went. Returns the exit code."""
    run = train(config)
    if not run.is_complete():
        if native.core().world()["rank"] > 0:
            return command.EXIT_INTERRUPTED
        print(
            f"stopped by {run.stopping} at step {run.step}. Run the same command again to go on",
            file=sys.stderr,
        )
        return command.EXIT_INTERRUPTED
    speed = run.metrics.get("mean_images_per_second")
    if speed is not None:
        compiled = run.metrics["compile_seconds"]
        waited = run.metrics["mean_input_wait"]
        print(
            f"{speed:,.0f} images/s, {waited:.1%} of the time waiting for input; "
            f"the first step, with compiling, took {compiled:.1f} s"
        )
    if "bottleneck" in run.results:
        print(text(run.results["bottleneck"]))
    print(f"summary: {run.model_dir / 'summary.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(command.main(main))
