"""Best: the checkpoint of a run that has classified most evaluation images rightly."""

from pathlib import Path

from lambda_fast import checkpoint, checkpoint_fit
from lambda_fast.callback import Run
from lambda_fast.callback.train_basic import state_of


class Best:
    """Keeps one checkpoint in `Config.best_path`, laid out like a run's own."""

    def __init__(self) -> None:
        self._accuracy = -1.0

    def look(self, run: Run) -> None:
        """Reads how good the one is that an earlier process kept; once, before the first step.

        Raises:
            CheckpointError: what is there is damaged, or of another run.
        """
        folder = run.config.best_path()
        paths = [checkpoint.path_of(folder, step) for step in checkpoint.all_steps(folder)]
        self._accuracy = max((_stored(path, run) for path in paths), default=-1.0)

    def offer(self, run: Run, accuracy: float) -> None:
        """Stores the run as it is, if it is better than all before, in earlier processes as well.

        Raises:
            CheckpointError: it cannot be stored.
        """
        folder = run.config.best_path()
        before = checkpoint.all_steps(folder)
        if accuracy <= self._accuracy:
            return
        state = state_of(run, {"eval_accuracy": accuracy})
        path = checkpoint.write(folder, state, keep=len(before) + 1)
        # Not by `keep`: a run that went on from an earlier checkpoint may find a better one before
        # the step of the one that is there.
        for step in before:
            if step != run.step:
                checkpoint.path_of(folder, step).unlink(missing_ok=True)
        self._accuracy = accuracy
        run.metrics["best_accuracy"] = accuracy
        run.say(f"The best so far: kept as {path}")


def _stored(path: Path, run: Run) -> float:
    """The accuracy of a checkpoint of the same run."""
    facts = checkpoint.read(path).facts
    checkpoint_fit.check_facts(path, facts, run.modeler.facts())
    return facts["eval_accuracy"]
