"""The callbacks of a mode, by name."""

from __future__ import annotations

from collections.abc import Collection

from lambda_fast.build import find
from lambda_fast.callback import Callback
from lambda_fast.config import Config
from lambda_fast.runner.recorded import check_summary_names


def callbacks_of(config: Config, mode: str, only: Collection[str] | None = None) -> list[Callback]:
    """Builds the callbacks that the config names for a mode.

    Args:
        config: the run.
        mode: train, eval, infer or export.
        only: leaves out all others; none: no one is left out.

    Raises:
        ConfigError: a callback that does not exist, or is of another mode; a number that is to be
            recorded, and that none of them finds.
    """
    callback = config.callback
    names = callback.names if mode == "train" else getattr(callback, f"{mode}_names")
    if only is not None:
        names = [name for name in names if name in only]
    # What restores goes first: whoever else looks at the network in before_run comes after it.
    names = sorted(names, key=lambda name: name != f"{mode}_basic")
    callbacks = []
    for name in names:
        one = find("callback", name, prefix=f"{mode}_")(config)
        one.name = name
        callbacks.append(one)
    if mode == "train" and only is None:
        check_summary_names(config, callbacks)
    return callbacks
