"""Expected: refuses a data set that is not what the config says of it."""

from __future__ import annotations

from collections.abc import Sequence

from lambda_fast.config import Config, ConfigError


def check_expected(config: Config, class_names: Sequence[str], depth: int) -> None:
    """Compares classes and channels.

    Args:
        config: its `inputter.num_classes` and `inputter.image_depth`; 0 expects nothing.
        class_names: of the data set.
        depth: channels of its images.

    Raises:
        ConfigError: the data set has others.
    """
    for name, found in (("num_classes", len(class_names)), ("image_depth", depth)):
        expected = getattr(config.inputter, name)
        if expected not in (0, found):
            raise ConfigError(
                f"[inputter] expected {name}={expected} of the data set, found {found}. "
                f"Set it to {found}, or give another data set"
            )
