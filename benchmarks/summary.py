"""The table at the end of a run: how many times as fast as each other system lambda_fast is."""

import io
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.table import Table

from lambda_fast.benchmark_report.ratio import ratio
from lambda_fast.benchmark_report.record import Record, shown_rate
from lambda_fast.benchmark_report.tables import main_of, origin, variants, works

PEER_PACKAGES = ("torch", "nvidia-dali-cuda120", "mpich", "onednn-cpu-gomp")


def text(records: Sequence[Record]) -> str:
    """The table, and what it was measured on."""
    table = Table(box=None, pad_edge=False)
    table.add_column("work")
    table.add_column("system")
    for title in ("speed", "spread", "lambda_fast is"):
        table.add_column(title, justify="right")
    table.add_column("notes")
    for work, measured in works(records).items():
        for variant, found in variants(measured).items():
            ours, title = main_of(found), f"{work} {variant}"
            for record in found:
                times = "" if ours in (None, record) else f"{ratio(ours, record)} x"
                notes = [record.info["how"]] if "how" in record.info else []
                notes += record.notes()
                row = (title, record.system, shown_rate(record), f"{record.info['spread']:.0%}")
                table.add_row(*row, times, "; ".join(notes))
                title = ""
    console = Console(file=io.StringIO(), width=130, color_system=None)
    console.print(table)
    console.print(f"{origin(records)} Spread: interquartile range / median.", highlight=False)
    return console.file.getvalue()


def peer_versions() -> dict[str, str]:
    """Of the peers that are no dependency of ours."""
    found = {}
    for package in PEER_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found
