"""Markdown tables of ratios: one for each work, and the short one of the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambda_fast.benchmark_report.ratio import LEAST_ROUNDS, ratio
from lambda_fast.benchmark_report.record import OURS, Record, shown_rate
from lambda_fast.benchmark_report.words import WORKS, called

DISTURBED = 0.05  # share of the machine used by others above which numbers are not to be relied on
NOTHING = "Not measured in this version."


def works(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each work, in their order."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.work, []).append(record)
    return found


def variants(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each variant of one work, in their order."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.variant, []).append(record)
    return found


def main_of(records: Sequence[Record]) -> Record | None:
    """The record of ours that the others of a variant are compared with, none without any."""
    ours = [record for record in records if record.is_ours]
    return next((r for r in ours if r.system == OURS), ours[0] if ours else None)


def work_table(records: Sequence[Record]) -> str:
    """One work: a row for each variant and system of ours, a column for each peer and bound.

    Args:
        records: of one work.

    Returns:
        Markdown, and below it what it was measured on.
    """
    others = sorted(
        dict.fromkeys((r.is_bound, r.system) for r in records if not r.is_ours), key=lambda o: o[0]
    )
    systems = [system for _, system in others]
    header = [
        "variant",
        "system",
        *(_column(*other) for other in others),
        "speed",
        "spread",
        "notes",
    ]
    plain = all(record.system == OURS for record in records if record.is_ours)
    rows = []
    for variant, found in variants(records).items():
        by_system = {record.system: record for record in found}
        for ours in (record for record in found if record.is_ours):
            cells = [
                str(ratio(ours, by_system[system])) if system in by_system else ""
                for system in systems
            ]
            rate, spread = shown_rate(ours), f"{ours.info['spread']:.0%}"
            name = "" if plain else ours.system
            rows.append([variant, name, *cells, rate, spread, "; ".join(ours.notes())])
    told = [
        f"{called(record.system)}, {record.variant}: {'; '.join(record.notes())}."
        for record in records
        if not record.is_ours and record.notes()
    ]
    versions = "; ".join(_versions(records))
    below = " ".join([*told, f"{origin(records)} Versions: {versions}."])
    return f"{_table(header, rows, left=2)}\n\n{below}"


def short_table(records: Sequence[Record]) -> str:
    """The README's: the lines that `words` chooses, those that were measured."""
    found = {(r.work, r.variant, r.system): r for r in records}
    rows, used = [], []
    for name, work in WORKS.items():
        for line in work.lines:
            ours = found.get((name, line.variant, line.ours))
            keys = [(name, line.variant, system) for system in line.beside]
            beside = [found[key] for key in keys if key in found]
            if ours is None or not beside:
                continue
            against = "; ".join(called(record.system) for record in beside)
            ratios = "; ".join(f"{_times(str(ratio(ours, record)))}" for record in beside)
            rows.append([line.words, against, f"{ratios} as fast"])
            used += [ours, *beside]
    if not rows:
        return NOTHING
    table = _table(["work", "against", "lambda_fast is"], rows, left=3)
    return f"{table}\n\n{origin(used)}"


def origin(records: Sequence[Record]) -> str:
    """On what, how and from which commit records were measured, and whether all was quiet."""
    sentences = [
        f"Medians of rounds in turns, with 95 % intervals where there were {LEAST_ROUNDS} rounds "
        f"or more; measured on {_listed(_machine(r) for r in records)}, "
        f"{_listed(r.info['mode'] for r in records)} mode, "
        f"at {_listed(_commit(r.info['commit']) for r in records)}."
    ]
    apart = list(dict.fromkeys(called(r.system) for r in records if not r.paired))
    if apart:
        sentences.append(f"In a run apart: {', '.join(apart)}.")
    disturbed = max((record.info.get("others") or 0.0 for record in records), default=0.0)
    if disturbed > DISTURBED:
        sentences.append(
            f"Not a quiet run: other processes used up to {disturbed:.0%} of the machine, which "
            "peers whose threads wait for one another by spinning suffer from most."
        )
    return " ".join(sentences)


def _column(bound: bool, system: str) -> str:
    return f"{'bound' if bound else 'than'}: {called(system)}"


def _times(estimate: str) -> str:
    value, space, interval = estimate.partition(" ")
    return f"{value}×{space}{interval}"  # noqa: RUF001


def _machine(record: Record) -> str:
    machine = record.info["machine"]
    gpus = "".join(f", {gpu}" for gpu in machine.get("gpus") or ())
    return f"{machine.get('cores')} cores of {machine.get('cpu')} ({machine.get('isa')}){gpus}"


def _commit(commit: str) -> str:
    first, dash, dirty = commit.partition("-")
    return f"commit {first[:9]}{dash}{dirty}"


def _versions(records: Sequence[Record]) -> list[str]:
    """Each package with all versions that were found; what was not installed is left out."""
    found: dict[str, list[str]] = {}
    for record in records:
        for package, version in record.info["versions"].items():
            if version != "none" and version not in found.setdefault(package, []):
                found[package].append(version)
    return [f"{package} {', '.join(each)}" for package, each in found.items() if each]


def _listed(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(texts))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table without the columns that no row has; all but the left ones to the right."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    lines = [
        [header[index] for index in kept],
        ["---" if index < left else "--:" for index in kept],
        *([row[index] for index in kept] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
