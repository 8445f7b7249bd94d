"""What a run does when loss or gradients are not finite: says which images and which tensor."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from lambda_fast import native
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.checkpoint import write_atomically
from lambda_fast.errors import UserError
from lambda_fast.modeler.first_bad_tensor import first_bad_tensor
from lambda_fast.runner.agreement import from_rank

FILE = "nonfinite.json"
MOST_IN_A_ROW = 50  # skipped steps; a run that makes no other ones has diverged


class DivergedError(UserError, ArithmeticError):
    """The training has left the finite numbers."""


class Nonfinite(Callback):
    """Looks where the host reads the device anyway, and before each checkpoint; on every rank.

    The guard in the compiled step has taken the bad update back, so nothing bad is ever saved. All
    ranks look after the same steps and see the same, so they stop together.
    """

    metrics = ("skipped_steps",)

    def __init__(self) -> None:
        self._looked = 0
        self._skipped = 0
        self._in_a_row = 0

    def after_step(self, run: Run, report: StepReport) -> None:
        """Looks, when it is time.

        Raises:
            DivergedError: the run stops.
        """
        every = run.config.callback.save_checkpoints_steps
        if run.is_log_step() or (every and run.step % every == 0):
            self._look(run)

    def after_run(self, run: Run) -> None:
        """Looks before the last checkpoint."""
        self._look(run)

    def _look(self, run: Run) -> None:
        found = run.modeler.guard.look()
        steps = run.step - max(self._looked, run.first_step)
        self._looked = run.step
        if found is None:
            self._in_a_row = 0
            return
        if run.config.modeler.on_nonfinite == "stop":
            raise _diverged(_explain(run, found.first))
        explained = "" if self._skipped else f"; {_explain(run, found.first)}"
        self._skipped += found.count
        run.metrics["skipped_steps"] = self._skipped
        run.say(
            f"step {found.first + 1}: loss or gradients are not finite; {found.count} of the last "
            f"{steps} steps skipped{explained}"
        )
        self._in_a_row = self._in_a_row + steps if found.count == steps else 0
        if self._in_a_row >= MOST_IN_A_ROW:
            raise DivergedError(
                "[loss] expected finite values of loss and gradients, found none in the last "
                f"{self._in_a_row} steps. Lower modeler.learning_rate; "
                f"{run.model_dir / FILE} tells of the first such step"
            )


def _diverged(found: str) -> DivergedError:
    return DivergedError(
        f"[loss] expected finite values of loss and gradients, found {found}. Look at these "
        "images; lower modeler.learning_rate; or --set modeler.on_nonfinite=skip goes on "
        "without such steps"
    )


def _explain(run: Run, update: int) -> str:
    """Runs the step again on all ranks and writes what they find. All ranks must call it.

    Args:
        run: whose variables are those before the step (with `skip`: those of now).
        update: the step, counted from 0.

    Returns:
        The step, the first bad tensor and the file, in words.
    """
    with run.pause("look for what is not finite"):
        epoch, index = divmod(update, run.inputter.steps_per_epoch)
        batch = run.inputter.batch(epoch, index)
        bad = first_bad_tensor(run.modeler, batch)
    world = native.core().world()
    own = {"samples": _samples(run, batch, bad.places if bad else ())}
    own["first_bad"] = dataclasses.asdict(bad) if bad else None
    ranks = [
        from_rank(rank, own if rank == world["rank"] else None) for rank in range(world["ranks"])
    ]
    path = run.model_dir / FILE
    if world["rank"] == 0:
        content = {
            "step": update + 1,
            "epoch": epoch,
            "variables_of_step": run.modeler.step(),
            "ranks": ranks,
        }
        write_atomically(path, f"{json.dumps(content, indent=2)}\n".encode())
    native.core().barrier()
    return f"at step {update + 1}: {_in_words(ranks)}. Its images stand in {path}"


def _in_words(ranks: list[dict[str, Any]]) -> str:
    for rank, each in enumerate(ranks):
        bad = each["first_bad"]
        if bad is None:
            continue
        where = f" on rank {rank}" if len(ranks) > 1 else ""
        images = [sample for sample in each["samples"] if sample["bad"]]
        shown = ", ".join(s["path"] or f"id {s['id']}" for s in images[:3])
        of = f", for {len(images)} of its images ({shown}{', …' * (len(images) > 3)})"
        return (
            f"the first bad tensor{where} is {bad['name']}: {bad['nan']} NaN and "
            f"{bad['infinite']} infinite of {bad['size']} values{of if images else ''}"
        )
    return "run again alone, every rank's tensors are finite"


def _samples(run: Run, batch: Any, places: tuple[int, ...]) -> list[dict[str, Any]]:
    paths = run.inputter.paths
    ids, labels = batch.sample_ids.numpy().tolist(), batch.labels.numpy().tolist()
    return [
        {
            "id": sample_id,
            "label": label,
            "path": paths[sample_id] if paths is not None else None,
            "bad": place in places,
        }
        for place, (sample_id, label) in enumerate(zip(ids, labels, strict=True))
    ]
