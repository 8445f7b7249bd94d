"""First weights: what a fresh run starts from, and what of it will not learn, told."""

from collections.abc import Sequence

from lambda_fast import checkpoint, native
from lambda_fast.callback import Callback, Run
from lambda_fast.callback.train_basic import TrainBasic
from lambda_fast.modeler.patterns import told


def prepare(run: Run, callbacks: Sequence[Callback]) -> None:
    """Sets those of a fresh run, on rank 0, from which the others get theirs.

    The network's own choice, then pretrained weights. A run that `train_basic` will restore takes
    its checkpoint instead.

    Raises:
        UserError: the weights are absent, or do not fit the network.
    """
    if native.core().world()["rank"] > 0:
        return
    split = run.modeler.split
    if split.frozen:
        numbers = sum(variable.value.shape.num_elements() for variable in split.learning)
        run.say(f"Frozen: {told([variable.path for variable in split.frozen])}")
        names = told([variable.path for variable in split.learning])
        run.say(f"Learning: {names}, {numbers:,} numbers")
    restores = any(isinstance(callback, TrainBasic) for callback in callbacks)
    if restores and checkpoint.all_steps(run.model_dir):
        return
    if hasattr(run.modeler, "set_first_weights"):
        run.modeler.set_first_weights(run.inputter)
    restored = run.modeler.load_pretrained(run.say)
    if restored is not None:
        for line in restored.lines():
            run.say(line)
