"""eval_basic: restores the checkpoint, and writes what the evaluation found."""

import json

from lambda_fast import assembly
from lambda_fast.callback import Run
from lambda_fast.callback.restoring import Restoring
from lambda_fast.checkpoint import write_atomically
from lambda_fast.config import Config
from lambda_fast.inputter.quarantine import none_left


class EvalBasic(Restoring):
    """Results, in `eval.json`: of what, then what the others found.

    `checkpoint`, `step`, `averaged` (whether by the means of `modeler.ema`), `images`.
    """

    def after_run(self, run: Run) -> None:
        """Writes, and says it in one line.

        Raises:
            DataError: none of the images can be used.
        """
        if not run.images:
            raise none_left("eval", run.inputter.samples)
        path, found = run.source
        first = {
            "checkpoint": str(path),
            "step": found.step,
            "averaged": run.modeler.averaged,
            "images": run.images,
        }
        run.results = first | run.metrics | run.results
        content = json.dumps(run.results, indent=2)
        write_atomically(run.model_dir / "eval.json", f"{content}\n".encode())
        run.say(_line(found.step, run))


def _line(step: int, run: Run) -> str:
    metrics = run.metrics
    parts = [f"{run.images} images"]
    if "accuracy" in metrics:
        parts = [f"{metrics['accuracy']:.2%} of {run.images} images right"]
    if "top_5_accuracy" in metrics:
        parts.append(f"{metrics['top_5_accuracy']:.2%} among the first five")
    if "loss" in metrics:
        parts.append(f"loss {metrics['loss']:.4f}")
    if "images_per_second" in metrics:
        parts.append(f"{metrics['images_per_second']:,.0f} images/s")
    return f"step {step}: {', '.join(parts)}"


@assembly.part
def build(config: Config) -> EvalBasic:
    """The callback."""
    return EvalBasic()
