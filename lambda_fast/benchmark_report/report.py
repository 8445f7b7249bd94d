"""The report: a Markdown page, a plot for each work, and the contents of documents' regions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lambda_fast.benchmark_report import plot, regions, tables
from lambda_fast.benchmark_report.record import Record, ResultsError
from lambda_fast.benchmark_report.words import WORKS, title

PAGE = "report.md"
SHORT = "short"


def write(records: Sequence[Record], folder: Path, documents: Sequence[Path]) -> Path:
    """Writes page and plots into a folder, and the regions of documents.

    Documents are read and checked before anything is written.

    Args:
        records: of all works.
        folder: is made where it is not there.
        documents: with regions.

    Returns:
        The page.

    Raises:
        ResultsError: a document without regions or with an unknown one; no matplotlib.
    """
    filled = {path: filled_document(path, records, folder) for path in documents}
    folder.mkdir(parents=True, exist_ok=True)
    for work, found in tables.works(records).items():
        if plot.drawable(found):
            plot.draw(found, _plot(folder, work))
    for path, text in filled.items():
        path.write_text(text)
    target = folder / PAGE
    target.write_text(page(records, folder))
    return target


def page(records: Sequence[Record], folder: Path) -> str:
    """The text of the page that lies in the folder of the plots."""
    sections = [section(work, records, folder, folder) for work in tables.works(records)]
    parts = ["# Results", tables.short_table(records), "## Each work", *sections]
    return "\n\n".join(parts) + "\n"


def filled_document(path: Path, records: Sequence[Record], folder: Path) -> str:
    """A document with its regions as the records have it.

    Args:
        path: of the document.
        records: of all works.
        folder: of the plots.

    Raises:
        ResultsError: it cannot be read, has no regions or an unknown one.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise ResultsError(
            f"[--into] expected a Markdown document, found {path}: {reason}. Give another"
        ) from error
    contents = {SHORT: tables.short_table(records)}
    for work in _known(records):
        contents[work] = section(work, records, folder, path.parent)
    return regions.fill(text, contents, str(path))


def section(work: str, records: Sequence[Record], folder: Path, seen_from: Path) -> str:
    """Heading, table and plot of one work, as a document in `seen_from` shows them."""
    found = [record for record in records if record.work == work]
    text = f"### {title(work)}\n\n{tables.work_table(found) if found else tables.NOTHING}"
    if plot.drawable(found):
        link = Path(os.path.relpath(_plot(folder, work), seen_from)).as_posix()
        text += f"\n\n![{title(work)}: ratios to lambda_fast]({link})"
    return text


def _known(records: Sequence[Record]) -> Iterable[str]:
    return dict.fromkeys([*WORKS, *(record.work for record in records)])


def _plot(folder: Path, work: str) -> Path:
    return folder / f"{work}.png"
