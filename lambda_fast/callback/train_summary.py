"""train_summary: metrics and images for TensorBoard, in `<model_dir>/summaries`."""

import numpy as np
import tensorflow as tf

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config
from lambda_fast.picture import draw
from lambda_fast.shown import shown

IMAGES = 12  # of a batch that are drawn
OUTPUTS = ("learning_rate", "gradient_norm")  # of the step; what it averages is in the metrics


class TrainSummary(Callback):
    """Writes all metrics every `save_summary_steps`, at the end of each epoch and of the run.

    With `runner.summary_names`, those alone. And at the first step of each epoch, the first images
    of its batch as the network saw them.
    """

    def __init__(self, config: Config) -> None:
        self._every = config.callback.save_summary_steps
        self._names = config.runner.recorded()
        self._writer = None
        self._drawn = -1  # the last epoch of which images were written

    def before_run(self, run: Run) -> None:
        """Opens a new event file; a run that goes on writes the same points again from there."""
        folder = run.model_dir / "summaries"
        folder.mkdir(exist_ok=True)  # whose error names the folder, unlike TensorFlow's
        self._writer = tf.summary.create_file_writer(str(folder))

    def after_step(self, run: Run, report: StepReport) -> None:
        """Writes when it is time."""
        if report.epoch != self._drawn and report.batch is not None:
            self._drawn = report.epoch
            self._draw(run, report)
        if run.step % self._every == 0 or run.is_epoch_end():
            self._write(run, report.outputs)

    def after_run(self, run: Run) -> None:
        """Writes the last step, with what the evaluation added; nothing if no step was done."""
        if run.step > run.first_step:
            self._write(run, {})

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()

    def _draw(self, run: Run, report: StepReport) -> None:
        with run.pause("draw"), self._writer.as_default():
            entries = shown(run.modeler, run.inputter, report.batch, IMAGES)
            tf.summary.image("augmented", np.asarray(draw(entries))[None], step=run.step)

    def _write(self, run: Run, outputs: dict) -> None:
        values = run.metrics | {
            name: float(value)
            for name, value in outputs.items()
            if name in OUTPUTS or (name in self._names and name not in run.metrics)
        }
        with self._writer.as_default():
            for name, value in values.items():
                if not self._names or name in self._names:
                    tf.summary.scalar(name, value, step=run.step)
        self._writer.flush()


@assembly.part
def build(config: Config) -> TrainSummary:
    """The callback."""
    return TrainSummary(config)
