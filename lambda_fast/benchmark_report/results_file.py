"""Reads pytest-benchmark's JSON files, and keeps them without what tells of a machine's owner."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lambda_fast.benchmark_report.record import Record, ResultsError
from lambda_fast.checkpoint import write_atomically

DIGITS = 6  # of a duration
# Other words may name files or people; numbers cannot.
KEPT_WORDS = ("work", "variant", "system", "mode", "commit", "how", "images", "precision")
KEPT_OF_MACHINE = ("cpu", "cores", "isa", "memory_gib", "gpus")


def read(path: Path) -> list[Record]:
    """The records of a file, in its order.

    Raises:
        ResultsError: it is missing, is no JSON, holds no benchmarks of this project, holds those of
            an older layout, or holds one twice.
    """
    records = []
    for entry in _entries(path):
        seconds = _part(entry, "stats").get("data", ())
        records.append(Record.of(entry["extra_info"], seconds, f"{path}: {entry.get('name')}"))
    return _each_once(records, str(path))


def collect(paths: Sequence[Path]) -> list[Record]:
    """The records of several files, each of works that no other has.

    Raises:
        ResultsError: as in `read`, or two files hold the same work and variant, whose systems then
            were not measured in one run.
    """
    found: dict[tuple[str, str], Path] = {}
    records = []
    for path in paths:
        for record in read(path):
            first = found.setdefault((record.work, record.variant), path)
            if first != path:
                raise ResultsError(
                    f"[{path}] expected works that are in no other file, found {record.work} "
                    f"{record.variant}, which is in {first} as well. Give one of the two"
                )
            records.append(record)
    return records


def keep(path: Path, folder: Path) -> Path:
    """Writes what reports need of a file into a folder, under the same name.

    Left out are paths and names of machines, users and branches, and pytest-benchmark's own
    statistics, which rest on the durations that are kept.

    Raises:
        ResultsError: as in `read`.
    """
    works = {(record.work, record.variant) for record in read(path)}
    kept = [_kept(entry) for entry in _entries(path)]
    target = folder / path.name
    if target.exists():
        lost = {(record.work, record.variant) for record in read(target)} - works
        if lost or target.samefile(path):
            what = "the file itself" if target.samefile(path) else " ".join(min(lost))
            raise ResultsError(
                f"[keep] expected {target} to hold nothing that would be lost, found {what}. Give "
                "another --out, or another name to the file"
            )
    text = json.dumps({"benchmarks": kept}, indent=1, ensure_ascii=False)
    write_atomically(target, f"{text}\n".encode())
    return target


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(
            f"[{path}] expected a JSON file of pytest-benchmark, found: {error.strerror}. "
            "Write one with pytest benchmarks/ --benchmark-only --benchmark-json=FILE"
        ) from error
    except ValueError as error:
        raise ResultsError(
            f"[{path}] expected JSON, found something else ({error}). Give the file that "
            "--benchmark-json wrote"
        ) from error
    entries = content.get("benchmarks") if isinstance(content, dict) else None
    entries = entries if isinstance(entries, list) else []
    ours = [e for e in entries if isinstance(e, dict) and "work" in _part(e, "extra_info")]
    if not ours:
        raise ResultsError(
            f"[{path}] expected benchmarks of lambda_fast, found none. Give a file that pytest "
            "benchmarks/ --benchmark-only --benchmark-json=FILE wrote"
        )
    return ours


def _part(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def _each_once(records: list[Record], where: str) -> list[Record]:
    seen = set()
    for record in records:
        key = (record.work, record.variant, record.system)
        if key in seen:
            raise ResultsError(
                f"[{where}] expected each work, variant and system once, found {' '.join(key)} "
                "twice. Measure into a new file"
            )
        seen.add(key)
    return records


def _kept(entry: Mapping[str, Any]) -> dict[str, Any]:
    info = entry["extra_info"]
    kept = {
        name: value
        for name, value in info.items()
        if isinstance(value, int | float) or name in KEPT_WORDS
    }
    kept["machine"] = {name: info["machine"].get(name) for name in KEPT_OF_MACHINE}
    kept["versions"] = info["versions"]
    seconds = [float(f"{value:.{DIGITS}g}") for value in entry["stats"]["data"]]
    return {"name": entry.get("name"), "extra_info": kept, "stats": {"data": seconds}}
