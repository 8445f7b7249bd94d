"""Makes tables, plots and comparisons of what the benchmarks measured.

    pytest benchmarks/ --benchmark-only --benchmark-json=found.json
    python -m lambda_fast.bench report found.json --out results
    python -m lambda_fast.bench compare before.json found.json
    python -m lambda_fast.bench keep found.json --out benchmarks/results

`report` writes a Markdown page with a table and a plot for each work, and fills the regions of
documents that `--into` names. `compare` fails, with exit code 1, only where the interval of a
change lies wholly below the threshold. `keep` writes a copy without what tells of a
machine's owner.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lambda_fast import command
from lambda_fast.benchmark_report import report, results_file
from lambda_fast.benchmark_report.comparison import (
    DISTURBED_BY_OTHERS,
    SLOWER,
    TOO_FEW,
    Change,
    compare,
)
from lambda_fast.benchmark_report.record import ResultsError

EXIT_SLOWER = 1
THRESHOLD = 0.95
WIDTH = 110  # of the table where the terminal does not say


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.do == "report":
        page = report.write(results_file.collect(options.files), options.out, options.into)
        print(*(page, *options.into), sep="\n")
    elif options.do == "keep":
        for path in options.files:
            print(results_file.keep(path, options.out))
    else:
        return _compare(options.base, options.new, options.threshold, options.absolute)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lambda_fast.bench",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="do", required=True)
    making = actions.add_parser("report", help="tables and plots", allow_abbrev=False)
    keeping = actions.add_parser("keep", help="a trimmed copy", allow_abbrev=False)
    for action in (making, keeping):
        action.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a JSON")
        action.add_argument("--out", type=Path, required=True, metavar="DIR", help="to write into")
    making.add_argument(
        "--into",
        type=Path,
        action="append",
        default=[],
        metavar="DOCUMENT",
        help="a Markdown file whose regions are filled; may be repeated",
    )
    comparing = actions.add_parser("compare", help="two runs", allow_abbrev=False)
    comparing.add_argument("base", type=Path, metavar="BASE", help="the JSON of the earlier run")
    comparing.add_argument("new", type=Path, metavar="NEW", help="that of the later one")
    comparing.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        help=f"the least new ratio over base ratio that passes (default {THRESHOLD})",
    )
    comparing.add_argument(
        "--absolute",
        action="store_true",
        help="judges speeds themselves as well: only for one quiet machine",
    )
    return parser


def _compare(base: Path, new: Path, threshold: float, absolute: bool) -> int:
    if not threshold > 0:
        raise ResultsError(f"[--threshold] expected a number above 0, found {threshold}. Try 0.95")
    records = results_file.read(base), results_file.read(new)
    changes, notes = compare(*records, threshold, absolute)
    for note in notes:
        command.note(note)
    if not changes:
        raise ResultsError(
            f"[compare] expected a system of ours, and a peer beside it, in both {base} and {new}; "
            "found none in common. Measure the same works, or compare speeds with --absolute"
        )
    _print(changes)
    if all(change.verdict in (TOO_FEW, DISTURBED_BY_OTHERS) for change in changes):
        raise ResultsError(
            "[compare] expected runs that tell something, found too few rounds or other work "
            "on the machine everywhere. Measure again while nothing else runs, not in quick mode"
        )
    slower = sum(change.verdict == SLOWER for change in changes)
    print(f"{slower} of {len(changes)} below {threshold:g}, their whole interval")
    return EXIT_SLOWER if slower else 0


def _print(changes: Sequence[Change]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("work", "system", "ratio to"):
        table.add_column(title)
    table.add_column("changed by", justify="right", no_wrap=True)
    table.add_column("")
    for change in changes:
        beside = ", ".join(change.beside) or "its own speed"
        row = (change.work, change.system, beside, f"{change.estimate}", change.verdict)
        table.add_row(*row, style="red" if change.verdict == SLOWER else None)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(table)


if __name__ == "__main__":
    sys.exit(command.main(main))
