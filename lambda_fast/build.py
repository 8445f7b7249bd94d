"""Parts found by name: recipes, and the modules whose `build` makes a part of a run."""

import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambda_fast.config import Config, ConfigError


def find(kind: str, name: str, function: str = "build", *, prefix: str = "") -> Callable[..., Any]:
    """The function of the module `lambda_fast.<kind>.<name>` that makes a part.

    For example find("network", "resnet32", "net"). `module:function` names one of somebody else's.
    Networks with a capital are those of `keras.applications`. With a prefix, only names that begin
    with it exist.

    Raises:
        ConfigError: no such part; the message lists those that exist.
    """
    if ":" in name:
        return _elsewhere(kind, name)
    if kind == "network" and name[:1].isupper():
        return importlib.import_module("lambda_fast.network.keras_application").net_of(name)
    package = importlib.import_module(f"lambda_fast.{kind}")
    known = [
        module.name
        for module in pkgutil.iter_modules(package.__path__)
        if module.name.startswith(prefix)
        and _defines(Path(package.__path__[0]) / f"{module.name}.py", function)
    ]
    if name not in known:
        others = ", or MobileNetV2 and others of keras.applications" if kind == "network" else ""
        raise ConfigError(
            f"[{kind}] expected one of {', '.join(sorted(known))}{others}; found {name!r}"
        )
    return getattr(importlib.import_module(f"lambda_fast.{kind}.{name}"), function)


def first_weights_of(network: str) -> Callable[[Any, Any], None] | None:
    """The function of a network's module that sets weights by images; most have none.

    It takes the model and float32 images [some, height, width, channels] as the model sees them.
    """
    net = find("network", network, "net")
    return getattr(importlib.import_module(net.__module__), "first_weights", None)


def recipe(name: str) -> Config:
    """The recipe `lambda_fast.configs.<name>`.

    Raises:
        ConfigError: no such recipe; the message lists those that exist.
    """
    return find("configs", name, "recipe")()


def name_of(kind: str, function: Callable[..., Any]) -> str:
    """The name by which `find` finds a function.

    Raises:
        ConfigError: it is not at the top of a module, where nobody could find it.
    """
    if hasattr(function, kind):  # as `find` made it
        return getattr(function, kind)
    if not hasattr(function, "__qualname__"):
        raise ConfigError(f"[{kind}] expected a function of a module, found {function!r}")
    package, _, module = function.__module__.rpartition(".")
    if package == f"lambda_fast.{kind}" and function.__name__ == "net":
        return module
    name = f"{function.__module__}:{function.__qualname__}"
    _elsewhere(kind, name)
    return name


def _elsewhere(kind: str, name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"[{kind}] expected module:function, a function at the top of a module that Python "
            f"finds; found {name!r}: {error}"
        ) from error


def _defines(file: Path, function: str) -> bool:
    """Told from the text, because importing every module would take seconds."""
    begins = rf"^(def {function}\(|{function} = )"
    return file.is_file() and re.search(begins, file.read_text(), re.M) is not None
