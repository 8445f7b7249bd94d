"""Assembly: parts that a program states one by one, put together to the run that a recipe states.

`@part` and `@runner` give the `build` of a part's module a second way to be called, with the
glossary's configs. What it then returns only says what was stated. The runner turns all of it into
one `Config` and hands that to the command of its mode, so there is one way in which things run.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.build import name_of
from lambda_fast.config import Config, ConfigError
from lambda_fast.glossary import merged


@dataclass(frozen=True)
class Part:
    """One part of an application, as it was stated.

    Attributes:
        kind: inputter, modeler or callback.
        name: of its module.
        mode: train, eval, infer or export.
        changes: fields by their path in `Config`.
        spec: an inputter's augmenter.
    """

    kind: str
    name: str
    mode: str
    changes: Mapping[str, Any]
    spec: AugmentSpec = field(default_factory=AugmentSpec)


def part(make: Callable[..., Any]) -> Callable[..., Any]:
    """Lets the `build` of an inputter, a modeler or a callback take a glossary's config as well.

    Then it takes, beside it, an inputter's augmenter (a module of `lambda_fast.augmenter`, or an
    `AugmentSpec`) or a modeler's network (the function `net`), and returns a `Part`.
    """
    _, kind, name = make.__module__.rsplit(".", 2)

    @functools.wraps(make)
    def build(config: Any, *others: Any, **options: Any) -> Any:
        if isinstance(config, Config):
            return make(config, *others, **options)
        return _STATED[kind](name, config, *others, **options)

    return build


def _inputter(name: str, config: Any, augmenter: Any = None) -> Part:
    changes = {"inputter.name": name} | config.changes
    spec = _spec(augmenter)
    fixed = spec.crop in ("center", "random") and "inputter.resize" not in changes
    sides = [changes.get(f"augmenter.{side}", getattr(spec, side)) for side in ("height", "width")]
    if name != "in_memory_inputter" and fixed:
        # The step cuts from squares, which the inputter makes of files of any size.
        changes["inputter.resize"] = max(sides)
    return Part("inputter", name, config.mode, changes, spec)


def _spec(augmenter: Any) -> AugmentSpec:
    """The spec of an augmenter: none, a module with `build`, or what that returns."""
    if augmenter is None:
        return AugmentSpec()
    made = augmenter.build() if hasattr(augmenter, "build") else augmenter
    if isinstance(made, AugmentSpec):
        return made
    raise ConfigError(
        "[inputter] expected an augmenter: a module of lambda_fast.augmenter, or what its build() "
        f"returns; found {augmenter!r}"
    )


def _modeler(name: str, config: Any, net: Callable[..., Any] | None = None) -> Part:
    changes = {"modeler.name": name} | config.changes
    if net is not None:
        changes["modeler.network"] = name_of("network", net)
    return Part("modeler", name, config.mode, changes)


def _callback(name: str, config: Any) -> Part:
    return Part("callback", name, config.mode, config.changes)


_STATED = {"inputter": _inputter, "modeler": _modeler, "callback": _callback}


def runner(make: Callable[..., Any]) -> Callable[..., Any]:
    """Lets the `build` of a runner take the glossary's config and parts as well.

    Then it takes an inputter, a modeler and callbacks, and returns an `Application`.
    """
    name = make.__module__.rpartition(".")[2]

    @functools.wraps(make)
    def build(config: Any, *parts: Any, **options: Any) -> Any:
        if isinstance(config, Config):
            return make(config, *parts, **options)
        return _application(name, config, *parts, **options)

    return build


def _application(
    name: str, config: Any, inputter: Part, modeler: Part, callbacks: Sequence[Part] = ()
) -> Application:
    watching = [("callback", one) for one in callbacks]
    for kind, one in [("inputter", inputter), ("modeler", modeler), *watching]:
        if not isinstance(one, Part) or one.kind != kind:
            raise ConfigError(
                f"[runner] expected {kind} as build(config) of a module of lambda_fast.{kind} "
                f"gives it, found {one!r}"
            )
        if one.mode != config.mode:
            raise ConfigError(
                f"[runner] expected mode {config.mode!r} as in RunnerConfig, found {one.mode!r} in "
                f"the {kind} {one.name}"
            )
    stated = [("RunnerConfig", {"runner.name": name} | config.changes)]
    stated += [("the inputter", inputter.changes), ("the modeler", modeler.changes)]
    stated += [(f"the callback {one.name}", one.changes) for one in callbacks]
    if callbacks:
        path = "callback.names" if config.mode == "train" else f"callback.{config.mode}_names"
        stated.append(("the callbacks", {path: tuple(one.name for one in callbacks)}))
    base = Config(name="application", augmenter=inputter.spec)
    return Application(merged(stated, base), config.mode)


@dataclass(frozen=True)
class Application:
    """A run that was put together from parts.

    Attributes:
        config: what they state together.
        mode: train, eval, infer or export.
    """

    config: Config
    mode: str

    def run(self) -> Any:
        """Does what the command of the mode does, in this process.

        With `gpu_count` above 1, training starts the program once more for each device.

        Returns:
            What the command's `run` returns: numbers of the training or of the evaluation, the
            predictions, or the folder of the export.

        Raises:
            UserError: what is wrong, and what to do.
            SystemExit: the training was stopped by a signal, or ranks failed.
        """
        return importlib.import_module(f"lambda_fast.{self.mode}").run(self.config)
