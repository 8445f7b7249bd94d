"""Which numbers `runner.summary_names` may name, known before any data is read."""

from collections.abc import Sequence

from lambda_fast.callback import Callback
from lambda_fast.config import Config, ConfigError
from lambda_fast.runner.nonfinite import Nonfinite


def check_summary_names(config: Config, callbacks: Sequence[Callback]) -> None:
    """Refuses names of nothing that this training will find.

    Args:
        config: the run.
        callbacks: all of the training's.

    Raises:
        ConfigError: names the first one, and those that exist.
    """
    known = {"loss", "accuracy", "learning_rate"}
    if config.modeler.clips():
        known.add("gradient_norm")
    known.update(name for one in (Nonfinite, *callbacks) for name in one.metrics)
    for name in config.runner.recorded():
        if name not in known:
            raise ConfigError(
                f"[runner] expected runner.summary_names to be among {', '.join(sorted(known))}; "
                f"found {name!r}. What a callback of your own puts into run.metrics, it names in "
                "its `metrics`"
            )
