"""eval_summary: the evaluation's numbers for TensorBoard, in `<model_dir>/summaries/eval`."""

import tensorflow as tf

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run
from lambda_fast.config import Config


class EvalSummary(Callback):
    """Writes loss and accuracies at the checkpoint's step, beside the training's curves."""

    def after_run(self, run: Run) -> None:
        """Writes."""
        folder = run.model_dir / "summaries" / "eval"
        folder.mkdir(parents=True, exist_ok=True)  # whose error names the folder
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default():
            for name in ("loss", "accuracy", "top_5_accuracy"):
                if name in run.metrics:
                    tf.summary.scalar(name, run.metrics[name], step=run.source[1].step)
        writer.close()


@assembly.part
def build(config: Config) -> EvalSummary:
    """The callback."""
    return EvalSummary()
