"""The search space of `tune`: which values each field may take, as `--param` says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lambda_fast import overrides
from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError

KINDS = ("log", "linear", "int")
_EXAMPLES = "modeler.learning_rate=log:0.01:1, epochs=int:5:20, modeler.network=resnet32,resnet50"


@dataclass(frozen=True)
class Param:
    """One field.

    Attributes:
        path: as `--set` takes it.
        kind: log or linear (real numbers), int (whole ones), or choice.
        values: both ends, or the choices, as text.
    """

    path: str
    kind: str
    values: tuple[str, ...]

    def suggest(self, trial: Any) -> str:
        """The text of the value that an Optuna trial is to try."""
        if self.kind == "choice":
            return trial.suggest_categorical(self.path, self.values)
        if self.kind == "int":
            return str(trial.suggest_int(self.path, *map(int, self.values)))
        low, high = map(float, self.values)
        return repr(trial.suggest_float(self.path, low, high, log=self.kind == "log"))

    def between(self) -> tuple[str, ...]:
        """A value that may be suggested besides the ends: of real numbers, no whole one."""
        if self.kind not in ("log", "linear"):
            return ()
        low, high = map(float, self.values)
        return (repr(low + (high - low) * 0.37),)


def parse(params: Sequence[str], config: Config) -> list[Param]:
    """Reads `path=log:low:high`, `path=linear:low:high`, `path=int:low:high` or `path=a,b,c`.

    Raises:
        ConfigError: it is none of these, the config has no such field, or a value does not fit it.
    """
    found: dict[str, Param] = {}
    for given in params:
        param = _parse(given)
        if param.path in found:
            raise ConfigError(f"[--param] expected {param.path} once, found it twice")
        for value in (*param.values, *param.between()):
            changed = overrides.apply(config, [f"{param.path}={value}"])
            changed.check()
            find("network", changed.modeler.network, "net")
        found[param.path] = param
    return list(found.values())


def _parse(given: str) -> Param:
    path, equals, text = (part.strip() for part in given.partition("="))
    if not equals or not text:
        raise ConfigError(f"[--param] expected path=values, found {given!r}. Examples: {_EXAMPLES}")
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        parts = re.split(r",(?![^(]*\))", text)  # not within MobileNet(alpha=0.25, dropout=0.1)
        values = tuple(dict.fromkeys(value.strip() for value in parts))
        if len(values) < 2:
            raise ConfigError(
                f"[--param] expected several values for {path}, found {text!r}. "
                f"Examples: {_EXAMPLES}"
            )
        return Param(path, "choice", values)
    ends = tuple(end.strip() for end in rest.split(":"))
    number = int if kind == "int" else float
    try:
        low, high = map(number, ends)
    except ValueError as error:
        raise ConfigError(
            f"[--param] expected {kind}:low:high for {path}, found {text!r}. Examples: {_EXAMPLES}"
        ) from error
    if not low < high or (kind == "log" and low <= 0):
        least = "0 < low < high" if kind == "log" else "low < high"
        raise ConfigError(f"[--param] expected {least} for {path}, found {text!r}")
    return Param(path, kind, ends)
