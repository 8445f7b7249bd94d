"""eval_accuracy: which images were classified rightly, in all and class by class."""

from typing import Any

import numpy as np

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config
from lambda_fast.modeler.evaluated import Sums


class EvalAccuracy(Callback):
    """Metrics: `accuracy` and, with more than five classes, `top_5_accuracy`.

    Results: `classes`, each with `name`, `images` and `accuracy` (null without images), and
    `confusion`: for each class, as which one its images were classified how often.
    """

    def __init__(self) -> None:
        self._sums = Sums("accuracy", "top_5_accuracy")
        self._seen: list[tuple[Any, Any, int]] = []  # on the device until the end

    def after_step(self, run: Run, report: StepReport) -> None:
        """Collects."""
        self._sums.add(report.outputs)
        self._seen.append((report.outputs["classes"], report.batch.labels, report.images))

    def after_run(self, run: Run) -> None:
        """Counts."""
        if not run.images:
            return
        run.metrics |= {name: total / run.images for name, total in self._sums.read().items()}
        names = run.inputter.class_names
        confusion = np.zeros((len(names), len(names)), np.int64)
        for classes, labels, count in self._seen:
            pair = np.asarray(labels)[:count], np.asarray(classes)[:count]
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
