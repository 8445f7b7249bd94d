"""What a config says when a value does not fit."""

import typing

from lambda_fast.errors import UserError


class ConfigError(UserError, ValueError):
    """A field, a value or a name that does not fit."""


def require(ok: bool, path: str, expected: str, found: object) -> None:
    """Refuses a value.

    Args:
        ok: whether it fits.
        path: of the field, as `--set` takes it.
        expected: what would fit.
        found: the value.

    Raises:
        ConfigError: it does not fit.
    """
    if not ok:
        raise ConfigError(f"[config] expected {path} to be {expected}; found {found!r}")


def require_at_least(least: float, part: object, prefix: str, *names: str) -> None:
    """Refuses fields of a part that are below the least value.

    Raises:
        ConfigError: names the first one.
    """
    for name in names:
        found = getattr(part, name)
        require(found >= least, f"{prefix}{name}", f"at least {least}", found)


def require_choices(part: object, prefix: str) -> None:
    """Refuses fields of a part that are none of the names which their type lists.

    Raises:
        ConfigError: names the first one, and what it can be.
    """
    for name, expected in typing.get_type_hints(type(part)).items():
        if typing.get_origin(expected) is typing.Literal:
            choices, found = typing.get_args(expected), getattr(part, name)
            require(found in choices, f"{prefix}{name}", f"one of {', '.join(choices)}", found)
