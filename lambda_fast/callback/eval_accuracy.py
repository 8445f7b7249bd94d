"""eval_accuracy: which images were classified rightly, in all and class by class."""

from typing import Any

import numpy as np

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config


class EvalAccuracy(Callback):
    """Metrics: `accuracy` and, with more than five classes, `top_5_accuracy`.

    Results: `classes`, each with `name`, `images` and `accuracy` (null without images), and
    `confusion`: for each class, as which one its images were classified how often.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[dict[str, Any], Any, int]] = []  # on the device until the end

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects."""
        self._seen.append((report.outputs, report.batch.labels, report.images))

    def after_run(self, run: Run) -> None:
        """Counts."""
        if not run.images:
            return
        for metric in ("accuracy", "top_5_accuracy"):
            sums = [float(outputs[metric]) for outputs, _, _ in self._seen if metric in outputs]
            if sums:
                run.metrics[metric] = sum(sums) / run.images
        names = run.inputter.class_names
        confusion = np.zeros((len(names), len(names)), np.int64)
        for outputs, labels, count in self._seen:
            pair = np.asarray(labels)[:count], np.asarray(outputs["classes"])[:count]
            np.add.at(confusion, pair, 1)
        totals = confusion.sum(axis=1)
        run.results["classes"] = [
            {
                "name": name,
                "images": int(totals[label]),
                "accuracy": confusion[label, label] / totals[label] if totals[label] else None,
            }
            for label, name in enumerate(names)
        ]
        run.results["confusion"] = confusion.tolist()


@assembly.part
def build(config: Config) -> EvalAccuracy:
    """The callback."""
    return EvalAccuracy()
