"""train_progress: a live line on a terminal, plain lines elsewhere."""

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from lambda_fast import assembly
from lambda_fast.callback import Callback, Run, StepReport
from lambda_fast.config import Config
from lambda_fast.machine import machine


class TrainProgress(Callback):
    """Shows epoch, step, loss, accuracy, images/s and the time that is left."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._task = None

    def before_run(self, run: Run) -> None:
        """Starts the line, and says what is about to happen."""
        ranks = run.config.gpu_count
        self._console.print(
            f"{run.config.name}: {run.inputter.samples} images, {run.config.epochs} epochs, "
            f"{run.total_steps} steps of {run.inputter.batch_size * ranks}, "
            f"on {_device()}{f' for each of {ranks} ranks' if ranks > 1 else ''}; "
            f"writes to {run.model_dir}",
            markup=False,
        )
        if run.step < run.total_steps:
            self._console.print("The first step compiles the program …")
        if not self._console.is_terminal:
            run.say = lambda text: self._console.print(text, markup=False)
            return
        self._progress = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=False,
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=run.total_steps, completed=run.step)
        run.say = lambda text: self._progress.console.print(text, markup=False)

    def after_step(self, run: Run, report: StepReport) -> None:
        """Moves the line on; prints one where there is no terminal."""
        if self._progress is not None:
            if run.is_log_step():
                self._progress.update(self._task, description=_described(run, report))
            self._progress.update(self._task, completed=run.step)
        elif run.is_log_step():
            self._console.print(f"step {run.step}/{run.total_steps}  {_described(run, report)}")

    def close(self) -> None:
        """Gives the terminal back."""
        if self._progress is not None:
            self._progress.stop()


def _device() -> str:
    found = machine()
    return ", ".join(found["gpus"]) or f"{found['cores']} cores of {found['cpu']}"


def _described(run: Run, report: StepReport) -> str:
    metrics = run.metrics
    parts = [f"epoch {report.epoch + 1}/{run.config.epochs}"]
    if "loss" in metrics:
        parts.append(f"loss {metrics['loss']:.4f}")
    if "accuracy" in metrics:
        parts.append(f"accuracy {metrics['accuracy']:.2%}")
    if "images_per_second" in metrics:
        rate = metrics["images_per_second"]
        left = (run.total_steps - run.step) * report.images / rate
        parts += [f"{rate:,.0f} images/s", f"{timedelta(seconds=round(left))} left"]
    return "  ".join(parts)


@assembly.part
def build(config: Config) -> TrainProgress:
    """The callback."""
    return TrainProgress()
