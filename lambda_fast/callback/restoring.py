"""Restoring: what the first callback of eval, infer and export does before the pass."""

from lambda_fast import checkpoint_fit, command
from lambda_fast.callback import Callback, Run


class Restoring(Callback):
    """Puts the checkpoint's values into the network."""

    def before_run(self, run: Run) -> None:
        """Restores `run.source`.

        Raises:
            CheckpointError: it belongs to another network, other images or other classes.
        """
        path, found = run.source
        checkpoint_fit.check_facts(path, found.facts, run.modeler.image_facts())
        checkpoint_fit.check_class_names(path, found.facts, run.inputter.class_names)
        run.modeler.restore(path, found.values)
        if run.modeler.averaged:
            command.note(f"by the averaged weights of {path}")
        run.restored = True
