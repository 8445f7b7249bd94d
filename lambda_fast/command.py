"""What all commands share: arguments, the model folder, and errors without tracebacks."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lambda_fast import overrides
from lambda_fast.build import recipe
from lambda_fast.config import Config, ConfigError
from lambda_fast.errors import UserError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


def parse(command: str, description: str, arguments: list[str] | None) -> Config:
    """Reads `--config`, `--set` and `--data-dir`; `--print-config` prints and exits.

    Raises:
        ConfigError: an unknown recipe, path or type, or a value that no run can use.
    """
    return configured(parser(command, description).parse_args(arguments))


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """The arguments that all commands share, for one that adds its own."""
    shared = argparse.ArgumentParser(
        prog=f"python -m lambda_fast.{command}",
        description=description,
        allow_abbrev=False,
    )
    shared.add_argument("--config", required=True, metavar="RECIPE", help="for example cifar10")
    add_set(shared, "epochs=3")
    shared.add_argument("--data-dir", metavar="DIR", help="short for --set inputter.data_dir=DIR")
    shared.add_argument(
        "--print-config", action="store_true", help="prints all fields as PATH=VALUE and exits"
    )
    return shared


def add_set(parser: argparse.ArgumentParser, example: str) -> None:
    """Adds `--set`, whose assignments `assigned` makes."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="PATH=VALUE",
        help=f"changes a field, for example {example}; may be repeated",
    )


def assigned(config: Config, options: argparse.Namespace) -> Config:
    """The config with the assignments of `--set`, checked.

    Raises:
        ConfigError: as in `parse`.
    """
    config = overrides.apply(config, options.assignments)
    config.check()
    return config


def configured(options: argparse.Namespace) -> Config:
    """The run that the shared arguments describe.

    Raises:
        ConfigError: as in `parse`.
    """
    config = assigned(recipe(options.config), options)
    if options.data_dir is not None:
        inputter = dataclasses.replace(config.inputter, data_dir=options.data_dir)
        config = dataclasses.replace(config, inputter=inputter)
    if options.print_config:
        print(*overrides.lines(config), sep="\n")
        raise SystemExit(0)
    return config


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Makes the model folder, checks that it can be written and keeps other runs out of it.

    Raises:
        ConfigError: it cannot be made or written, or another run is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"[model_dir] expected a folder that can be written, found {folder}: {error.strerror}. "
            "Choose another with --set model_dir=DIR"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"[model_dir] expected {folder} for this run alone, found another run at work in "
                "it. Wait for it, or choose another with --set model_dir=DIR"
            ) from error
        yield folder


def note(text: str) -> None:
    """Tells the person at the terminal something that is no result."""
    print(text, file=sys.stderr)


def main(body: Callable[[], int]) -> int:
    """Runs a command; what a person can mend is printed in one line, without a traceback.

    That is each `UserError`, and what the system or TensorFlow refuses: files, memory.

    Returns:
        The exit code: 0, 2 for an error, 130 after Ctrl-C.
    """
    try:
        return body()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except OSError as error:
        print(f"error: [system] {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if not type(error).__module__.startswith("tensorflow.python.framework.errors"):
            raise
        print(f"error: [tensorflow] {str(error).splitlines()[0]}", file=sys.stderr)
        return EXIT_ERROR
