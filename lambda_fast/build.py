"""Parts found by name: recipes, and the modules whose `build` makes a part of a run."""

import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambda_fast.config import Config, ConfigError


def find(kind: str, name: str, function: str = "build") -> Callable[..., Any]:
    """The function of the module `lambda_fast.<kind>.<name>` that makes a part.

    For example find("network", "resnet32", "net"). Networks with a capital are those of
    `keras.applications`.

    Raises:
        ConfigError: no such part; the message lists those that exist.
    """
    if kind == "network" and name[:1].isupper():
        return importlib.import_module("lambda_fast.network.keras_application").net_of(name)
    package = importlib.import_module(f"lambda_fast.{kind}")
    known = [
        module.name
        for module in pkgutil.iter_modules(package.__path__)
        if _defines(Path(package.__path__[0]) / f"{module.name}.py", function)
    ]
    if name not in known:
        raise ConfigError(f"[{kind}] expected one of {', '.join(sorted(known))}; found {name!r}")
    return getattr(importlib.import_module(f"lambda_fast.{kind}.{name}"), function)


def recipe(name: str) -> Config:
    """The recipe `lambda_fast.configs.<name>`.

    Raises:
        ConfigError: no such recipe; the message lists those that exist.
    """
    return find("configs", name, "recipe")()


def _defines(file: Path, function: str) -> bool:
    """Told from the text, because importing every module would take seconds."""
    return file.is_file() and re.search(rf"^def {function}\(", file.read_text(), re.M) is not None
