"""The folder of an export: whole or not there, and never put over something else."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from lambda_fast.config import Config, ConfigError

MARK = "export.json"  # what only an export has


def export_folder(config: Config) -> Path:
    """Where a run's export goes."""
    named = config.callback.export_dir
    return Path(named).expanduser() if named else config.model_path() / "export"


def check_free(folder: Path, force: bool) -> None:
    """Refuses a folder with something in it; with force, only if that is no export.

    Raises:
        ConfigError: tells what is there.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MARK).is_file():
        raise ConfigError(
            f"[export] expected an empty folder or an earlier export, found something else at "
            f"{folder}. Nothing was touched: choose another with --out DIR"
        )
    if not force:
        raise ConfigError(
            f"[export] expected an empty folder, found an export at {folder}. Nothing was touched: "
            "--force replaces it, --out DIR chooses another"
        )


@contextlib.contextmanager
def replaced(folder: Path, force: bool) -> Iterator[Path]:
    """Gives a folder beside, and puts it in place when the body is done.

    Raises:
        ConfigError: as in `check_free`.
    """
    folder = folder.absolute()
    check_free(folder, force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside, old = (folder.with_name(f".{folder.name}.{word}") for word in ("partial", "old"))
    shutil.rmtree(beside, ignore_errors=True)
    if old.exists() and not folder.exists():
        old.rename(folder)  # a process was killed between the two renames below
    try:
        yield beside
        check_free(folder, force)  # it took a while
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
