"""The glossary's configs: each part of an application stated by itself.

A recipe states a run in one `Config`. A program that puts its parts together states them one by
one; what several of them state must agree, and what none states has the default of `Config`.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from lambda_fast import overrides
from lambda_fast.config import Config, ConfigError

Mode = Literal["train", "eval", "infer", "export"]
SHARED = tuple(
    field.name
    for field in dataclasses.fields(Config)
    if field.default_factory is dataclasses.MISSING
)


class Stated:
    """Fields of one part of a run, and those that all parts share.

    Args:
        mode: train, eval, infer or export.
        fields: those of the part, as `--print-config` lists them without their prefix, and those
            that all parts share: `batch_size_per_gpu`, `gpu_count`, `epochs`, `model_dir`, `seed`,
            `max_step`, `name`. None of them has to be given.

    Attributes:
        part: of `Config`.
        changes: what was stated, by its path in `Config`.

    Raises:
        ConfigError: a field that neither the part nor all share; close ones are named.
    """

    part: ClassVar[str]

    def __init__(self, mode: Mode = "train", **fields: Any) -> None:
        if mode not in typing.get_args(Mode):
            raise ConfigError(
                f"[{type(self).__name__}] expected mode to be one of "
                f"{', '.join(typing.get_args(Mode))}; found {mode!r}"
            )
        self.mode = mode
        part = getattr(Config(name=""), self.part)
        # A part's name is that of the module whose `build` takes this.
        own = [field.name for field in dataclasses.fields(part) if field.name != "name"]
        for name in fields:
            if name not in own and name not in SHARED:
                close = difflib.get_close_matches(name, [*own, *SHARED], n=3, cutoff=0.5)
                hint = f"Did you mean {' or '.join(close)}? " if close else ""
                raise ConfigError(
                    f"[{type(self).__name__}] expected a field of {self.part}, found {name!r}. "
                    f"{hint}It has {', '.join(own)}; all parts share {', '.join(SHARED)}"
                )
        self.changes = {
            name if name in SHARED else f"{self.part}.{name}": value
            for name, value in fields.items()
        }


class InputterConfig(Stated):
    """Where samples come from: `dataset_meta`, `eval_meta`, `dataset` and others."""

    part = "inputter"


class ModelerConfig(Stated):
    """How the network learns: `optimizer`, `learning_rate` and others."""

    part = "modeler"


class CallbackConfig(Stated):
    """What watches the run: `model_dir`, `log_every_n_iter`, `save_summary_steps` and others."""

    part = "callback"


class RunnerConfig(Stated):
    """What drives the steps: `summary_names` and others."""

    part = "runner"


class ImageClassificationInputterConfig:
    """An inputter of labelled images.

    Args:
        inputter_config: where they come from.
        image_height: that the network sees, pixels; 0: as the augmenter or the images have it.
        image_width: likewise.
        image_depth: channels; 0: as many as the images have. Refused when they have others.
        num_classes: 0: as many as the data set has. Refused when it has others.
    """

    def __init__(
        self,
        inputter_config: InputterConfig,
        image_height: int = 0,
        image_width: int = 0,
        image_depth: int = 0,
        num_classes: int = 0,
    ) -> None:
        self.mode = inputter_config.mode
        stated = {
            "augmenter.height": image_height,
            "augmenter.width": image_width,
            "inputter.image_depth": image_depth,
            "inputter.num_classes": num_classes,
        }
        self.changes = inputter_config.changes | {k: v for k, v in stated.items() if v}


class ImageClassificationModelerConfig:
    """A modeler of labelled images.

    Args:
        modeler_config: how the network learns.
        num_classes: 0: as many as the data set has. Refused when it has others.
    """

    def __init__(self, modeler_config: ModelerConfig, num_classes: int = 0) -> None:
        self.mode = modeler_config.mode
        stated = {"inputter.num_classes": num_classes} if num_classes else {}
        self.changes = modeler_config.changes | stated


def merged(parts: Sequence[tuple[str, Mapping[str, Any]]], base: Config) -> Config:
    """One config from what several parts state.

    Args:
        parts: who states it, and what, by its path.
        base: what none of them states.

    Raises:
        ConfigError: two parts state different values, or a value does not fit.
    """
    changes: dict[str, Any] = {}
    by: dict[str, str] = {}
    for who, stated in parts:
        for path, value in stated.items():
            if changes.setdefault(path, value) != value:
                raise ConfigError(
                    f"[{who}] expected {path}={changes[path]!r} as in {by[path]}, found {value!r}. "
                    "What several parts state must agree"
                )
            by.setdefault(path, who)
    config = overrides.changed(base, changes)
    config.check()
    return config
