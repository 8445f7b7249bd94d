"""train_accuracy: the share of training images classified rightly since the last report."""

from lambda_fast import assembly
from lambda_fast.callback.average import Average
from lambda_fast.config import Config


@assembly.part
def build(config: Config) -> Average:
    """The callback."""
    return Average("accuracy")
