"""`--set path=value`: changes to a config from the command line, checked against its types."""

import ast
import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambda_fast.config import Config, ConfigError


def apply(config: Config, assignments: Sequence[str]) -> Config:
    """Returns the config with each `path=value` assigned, for example `modeler.learning_rate=0.2`.

    Raises:
        ConfigError: no `=`, an unknown path (close ones are named) or a value of another type.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(
                f"[--set] expected path=value, found {assignment!r}. Example: --set epochs=3"
            )
        config = _assign(config, path.strip().split("."), text.strip(), path.strip(), config)
    return config


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """Returns the config with each value, text as above or of the field's type, at its path.

    Raises:
        ConfigError: an unknown path (close ones are named) or a value of another type.
    """
    for path, value in values.items():
        config = _assign(config, path.split("."), value, path, config)
    return config


def lines(config: Any, prefix: str = "") -> Iterator[str]:
    """The config as `path=value` lines, each of which `--set` takes back."""
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        path = f"{prefix}{entry.name}"
        if dataclasses.is_dataclass(value):
            yield from lines(value, f"{path}.")
        else:
            yield f"{path}={value if isinstance(value, str) else json.dumps(value)}"


def _assign(part: Any, names: list[str], given: Any, path: str, root: Config) -> Any:
    types_by_name = typing.get_type_hints(type(part))
    name, rest = names[0], names[1:]
    if name not in types_by_name or (rest and not dataclasses.is_dataclass(getattr(part, name))):
        raise ConfigError(_unknown(path, root))
    value = getattr(part, name)
    if rest:
        value = _assign(value, rest, given, path, root)
    elif dataclasses.is_dataclass(value):
        inside = ", ".join(f"{path}.{entry.name}" for entry in dataclasses.fields(value))
        raise ConfigError(f"[--set] expected a field, found the part {path}. Its fields: {inside}")
    else:
        value = _parse(types_by_name[name], given, path)
    return dataclasses.replace(part, **{name: value})


def _unknown(path: str, root: Config) -> str:
    paths = [line.partition("=")[0] for line in lines(root)]
    leaf = path.rsplit(".", maxsplit=1)[-1]
    close = [p for p in paths if p.rsplit(".", maxsplit=1)[-1] == leaf]
    close = close or difflib.get_close_matches(path, paths, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return (
        f"[--set] expected a field of the config, found {path!r}. {hint}"
        "--print-config lists all fields"
    )


def _parse(expected: Any, given: Any, path: str) -> Any:
    """What was given, text or a value, as a value of the annotated type."""
    text = given if isinstance(given, str) else None
    if typing.get_origin(expected) is typing.Literal:
        choices = typing.get_args(expected)
        if given in choices:
            return given
        raise ConfigError(
            f"[--set] expected {path} to be one of {', '.join(choices)}; found {given!r}"
        )
    options = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    if type(None) in options and str(given).lower() in ("none", "null", ""):
        return None
    if text is not None and str in options:
        return text
    value = _literal(text) if text is not None else given
    for option in options:
        converted = _convert(option, value)
        if converted is not None:
            return converted
    raise ConfigError(
        f"[--set] expected {path} to be of type {_spelled(expected)}; found {given!r}"
    )


def _literal(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        # Words without quotes, so that names=train_basic,train_loss needs none.
        return tuple(word.strip() for word in text.split(",")) if "," in text else text


def _convert(expected: Any, value: Any) -> Any:
    """The value as the type, or None if it is not one."""
    if expected is bool or isinstance(value, bool):
        return value if expected is bool and isinstance(value, bool) else None
    if expected is int:
        return value if isinstance(value, int) else None
    if expected is float:
        try:
            number = float(value) if isinstance(value, int | float) else math.nan
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if expected is str:
        return value if isinstance(value, str) else None
    if typing.get_origin(expected) is tuple:
        items = tuple(value) if isinstance(value, tuple | list) else (value,)
        kinds = typing.get_args(expected)
        if items == ("",):  # `names=` is none, not one without letters
            items = ()
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(items)
        converted = tuple(map(_convert, kinds, items)) if len(kinds) == len(items) else (None,)
        return None if None in converted else converted
    return None


def _spelled(expected: Any) -> str:
    return expected.__name__ if isinstance(expected, type) else str(expected)
