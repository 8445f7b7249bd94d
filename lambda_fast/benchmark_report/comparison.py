"""Compares two runs: did lambda_fast's ratio to the peers of its own run change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambda_fast.benchmark_report.ratio import Estimate, absolute_change, change, enough
from lambda_fast.benchmark_report.record import Record, ResultsError
from lambda_fast.benchmark_report.tables import DISTURBED

Key = tuple[str, str, str]
TOO_FEW = "too few rounds"
DISTURBED_BY_OTHERS = "disturbed"
SLOWER = "slower"


@dataclass(frozen=True)
class Change:
    """Of one system of ours.

    Attributes:
        work: what it does, with the variant.
        system: its name.
        beside: the peers of both runs that its ratio is to; empty: absolute speed.
        estimate: of new ratio over base ratio, the geometric mean over the peers.
        threshold: below which it is slower.
        disturbed: whether other processes used so much of the machine in one of the runs that
            ratios are not to be relied on.
    """

    work: str
    system: str
    beside: tuple[str, ...]
    estimate: Estimate
    threshold: float
    disturbed: bool = False

    @property
    def verdict(self) -> str:
        """`slower` only where the whole interval lies below the threshold."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None:
            return TOO_FEW
        if self.disturbed:
            return DISTURBED_BY_OTHERS
        if high < self.threshold:
            return SLOWER
        return "holds" if low >= self.threshold else "open"


def compare(
    base: Sequence[Record], new: Sequence[Record], threshold: float, absolute: bool = False
) -> tuple[list[Change], list[str]]:
    """All systems of ours that are in both runs.

    Args:
        base: the records of one run.
        new: those of the other.
        threshold: the least new ratio over base ratio that passes.
        absolute: whether speeds themselves are compared as well, which holds only where both runs
            had the same quiet machine.

    Returns:
        The changes, and what a reader should know of the two runs.

    Raises:
        ResultsError: the runs are of different modes.
    """
    old, now = _by_key(base), _by_key(new)
    modes = {record.info["mode"] for record in (*base, *new)}
    if len(modes) > 1:
        raise ResultsError(
            f"[compare] expected two runs of one mode, found {_listed(modes)}, which measure "
            "different work. Measure again with the same LAMBDA_FAST_BENCH"
        )
    changes, notes = [], _differences(base, new)
    for key, record in old.items():
        if not record.is_ours:
            continue
        work, variant, system = key
        if key not in now:
            if any(other[:2] == key[:2] for other in now):
                notes.append(f"{work} {variant}, {system}: in BASE alone")
            continue
        beside = [
            peer
            for peer, other in old.items()
            if peer[:2] == key[:2] and not (other.is_ours or other.is_bound) and peer in now
        ]
        # What is too slow for several rounds cannot tell a change.
        beside = [peer for peer in beside if enough(old[peer]) and enough(now[peer])] or beside
        title = f"{work} {variant}"
        if beside:
            estimate = change(
                [(record, old[peer]) for peer in beside],
                [(now[key], now[peer]) for peer in beside],
            )
            peers = tuple(peer for _, _, peer in beside)
            involved = [record, now[key], *(run[peer] for run in (old, now) for peer in beside)]
            disturbed = any((r.info.get("others") or 0.0) > DISTURBED for r in involved)
            changes.append(Change(title, system, peers, estimate, threshold, disturbed))
        else:
            notes.append(f"{title}, {system}: no peer is in both files, so no ratio is compared")
        if absolute:
            estimate = absolute_change(record, now[key])
            changes.append(Change(title, system, (), estimate, threshold))
    return changes, notes


def _by_key(records: Sequence[Record]) -> dict[Key, Record]:
    return {(record.work, record.variant, record.system): record for record in records}


def _differences(base: Sequence[Record], new: Sequence[Record]) -> list[str]:
    """Works of one file alone; machines and versions that differ in what both have."""
    notes = []
    works = [list(dict.fromkeys(f"{r.work} {r.variant}" for r in run)) for run in (base, new)]
    for name, mine, other in (("BASE", *works), ("NEW", *reversed(works))):
        lone = [work for work in mine if work not in other]
        if lone:
            notes.append(f"in {name} alone: {'; '.join(lone)}")
    common = set(works[0]) & set(works[1])
    base, new = ([r for r in run if f"{r.work} {r.variant}" in common] for run in (base, new))
    told = {
        "CPUs": lambda r: (
            f"{r.info['machine'].get('cores')} cores of {r.info['machine'].get('cpu')}"
        ),
        "GPUs": lambda r: ", ".join(r.info["machine"].get("gpus") or ()) or "none",
    }
    for what, tell in told.items():
        before, after = ({tell(record) for record in run} for run in (base, new))
        if before != after:
            notes.append(f"different {what}: {_listed(before)} in BASE, {_listed(after)} in NEW")
    packages = sorted({name for record in (*base, *new) for name in record.info["versions"]})
    for package in packages:
        before, after = (
            {r.info["versions"].get(package, "none") for r in run} for run in (base, new)
        )
        if before != after:
            notes.append(f"different {package}: {_listed(before)} in BASE, {_listed(after)} in NEW")
    return notes


def _listed(texts: set[str]) -> str:
    return " and ".join(sorted(texts))
