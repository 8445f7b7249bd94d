"""The table at the end of a run: how many times faster lambda_fast is than each peer."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.interleave import Samples
from benchmarks.quiet import DISTURBED

OURS = "lambda_fast"
PEER_PACKAGES = ("torch", "nvidia-dali-cuda120")
UNITS = {
    "gigabytes_per_second": "{:.2f} GB/s (an image here is a byte)",
    "bandwidth_share": "{:.1%} of bandwidth",
    "collective_share": "collective {:.2%} of step",
    "augment_share": "augmenter {:.2%} of step",
    "python_ms": "Python {:.2f} ms a step",
}


@dataclass(frozen=True)
class Row:
    """One system's result.

    Attributes:
        work: what was done.
        variant: of the work: the batch, the precision.
        system: that did it.
        samples: as measured.
        facts: as recorded.
    """

    work: str
    variant: str
    system: str
    samples: Samples
    facts: Mapping[str, Any]


def text(rows: Sequence[Row], machine: Mapping[str, Any], mode: str) -> str:
    """The table, and what it was measured on."""
    table = Table(box=None, pad_edge=False)
    table.add_column("work")
    table.add_column("system")
    for title in ("images/s", "spread", "lambda_fast is"):
        table.add_column(title, justify="right")
    table.add_column("notes")
    ours = {(row.work, row.variant): row.samples for row in rows if row.system == OURS}
    before = None
    for row in rows:
        title = (row.work, row.variant)
        table.add_row(
            "" if title == before else " ".join(title),
            row.system,
            f"{row.samples.images_per_second:,.0f}",
            f"{row.samples.spread:.0%}",
            _ratio(row, ours.get(title)),
            _notes(row.facts),
        )
        before = title
    console = Console(file=io.StringIO(), width=130, color_system=None)
    console.print(table)
    console.print(
        f"{machine['cores']} cores of {machine['cpu']} ({machine['isa']}); {mode} mode; medians of "
        "interleaved blocks; spread: interquartile range / median",
        highlight=False,
    )
    others = max(row.samples.others or 0.0 for row in rows)
    if others > DISTURBED:
        console.print(
            f"Not a quiet run: other processes used up to {others:.0%} of the machine. Peers whose "
            "threads wait for one another by spinning, PyTorch's first of all, suffer most.",
            highlight=False,
        )
    return console.file.getvalue()


def _ratio(row: Row, ours: Samples | None) -> str:
    if ours is None or row.system == OURS:
        return ""
    ratio = ours.images_per_second / row.samples.images_per_second
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.1f}x"


def _notes(facts: Mapping[str, Any]) -> str:
    notes = [facts["how"]] if "how" in facts else []
    notes += [unit.format(facts[key]) for key, unit in UNITS.items() if key in facts]
    return "; ".join(notes)


def peer_versions() -> dict[str, str]:
    """Of the peers that are no dependency of ours."""
    found = {}
    for package in PEER_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found
