"""train_profile: a profile of some steps for TensorBoard, in `<model_dir>/summaries`."""

import tensorflow as tf

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config


class TrainProfile(Callback):
    """Traces the steps of `callback.profile`, host and devices; does nothing without it.

    Starting and ending the trace does not count as training (`Run.pause`). With several ranks it
    shows rank 0's process. TensorBoard shows it with `pip install xprof`.
    """

    def __init__(self, config: Config) -> None:
        self._steps = config.callback.profiled_steps()
        self._running = False
        self._step: tf.profiler.experimental.Trace | None = None

    def before_step(self, run: Run) -> None:
        """Begins with the first of the steps, and marks each."""
        number = run.step + 1
        if number not in self._steps:
            return
        if not self._running:
            with run.pause("profile"):
                tf.profiler.experimental.start(str(run.model_dir / "summaries"))
            self._running = True
        self._step = tf.profiler.experimental.Trace("train", step_num=number, _r=1)
        self._step.__enter__()

    def after_step(self, run: Run, report: StepReport) -> None:
        """Ends with the last of the steps, when the device is done."""
        self._end_step()
        if self._running and run.step >= self._steps[-1]:
            with run.pause("profile"):
                self.close()
            run.say(
                f"profile of steps {self._steps[0]} to {self._steps[-1]}: tensorboard --logdir "
                f"{run.model_dir / 'summaries'}"
            )

    def close(self) -> None:
        """Ends the trace; one that the run's end cut short is kept as well."""
        self._end_step()
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None


@assembly.part
def build(config: Config) -> TrainProfile:
    """The callback."""
    return TrainProfile(config)
