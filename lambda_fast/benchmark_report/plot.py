"""Draws the ratios of one work: lambda_fast at 1, each other system at its ratio and interval."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lambda_fast.benchmark_report.ratio import Estimate, ratio, shown
from lambda_fast.benchmark_report.record import Record, ResultsError
from lambda_fast.benchmark_report.tables import main_of, variants
from lambda_fast.benchmark_report.words import called, title

OURS, PEER, BOUND = "#d1491b", "#2f5d8a", "#7a828a"  # colours
WIDE = 8.0  # largest ratio over smallest, from which on the axis is logarithmic
MANY = 6  # more variants than that are drawn as curves
DRAWN_FROM = "Description"  # in a PNG: a digest of the records that it shows
Row = tuple[Record, Estimate]


def drawable(records: Sequence[Record]) -> bool:
    """Whether one work has a system of ours with another beside it."""
    return bool(_groups(records))


def draw(records: Sequence[Record], target: Path) -> None:
    """Writes a PNG.

    Args:
        records: of one work that is drawable.
        target: the file.

    Raises:
        ResultsError: no matplotlib.
    """
    plt, groups, work = _pyplot(), _groups(records), title(records[0].work)
    figure = _curves(plt, groups, work) if len(groups) > MANY else _points(plt, groups, work)
    metadata = {"Software": None, DRAWN_FROM: digest(records)}
    figure.savefig(target, dpi=130, metadata=metadata)
    plt.close(figure)


def digest(records: Sequence[Record]) -> str:
    """A number that differs where records do."""
    told = [(r.variant, r.system, r.rate, r.seconds) for r in records]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _groups(records: Sequence[Record]) -> dict[str, list[Row]]:
    """By variant: each system and how many times as fast ours is, bounds last."""
    groups = {}
    for variant, found in variants(records).items():
        main = main_of(found)
        if main is not None and len(found) > 1:
            rows = [(record, ratio(main, record)) for record in found]
            groups[variant] = sorted(rows, key=lambda row: (row[0].is_bound, row[1].value))
    return groups


def _points(plt: Any, groups: dict[str, list[Row]], work: str) -> Any:
    """A panel for each variant, a row for each system."""
    heights = [len(rows) + 0.6 for rows in groups.values()]
    figure, panels = plt.subplots(
        len(groups),
        figsize=(8, 1.3 + 0.3 * sum(heights) + 0.25 * len(groups)),
        sharex=True,
        squeeze=False,
        layout="constrained",
        gridspec_kw={"height_ratios": heights},
    )
    for axes, (variant, rows) in zip(panels[:, 0], groups.items(), strict=True):
        for place, (record, estimate) in enumerate(rows):
            _mark(axes, record, estimate, place)
        axes.set_yticks(range(len(rows)), [_label(record) for record, _ in rows])
        for text, (record, _) in zip(axes.get_yticklabels(), rows, strict=True):
            text.set_color(_colour(record))
            text.set_fontweight("bold" if record.is_ours else "normal")
        axes.set(ylim=(len(rows) - 0.4, -0.6))
        axes.set_title(variant, fontsize=10, loc="left")
        _one(axes.axvline)
        axes.grid(axis="x", which="both", alpha=0.25)
    axes = panels[-1, 0]
    values = [row[1].value for rows in groups.values() for row in rows]
    _scale(axes.set_xscale, axes.xaxis, values)
    low, high = axes.get_xlim()
    wide = axes.get_xscale() == "log"
    axes.set_xlim(low, high * (high / low) ** 0.22 if wide else high + 0.22 * (high - low))
    axes.set_xlabel("lambda_fast is so many times as fast as the system of the row (95 % interval)")
    figure.suptitle(work, fontweight="bold")
    return figure


def _mark(axes: Any, record: Record, estimate: Estimate, place: int) -> None:
    colour = _colour(record)
    if estimate.low is not None and estimate.low < estimate.high:
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, lw=2.5, alpha=0.55)
    shape = "D" if record.is_ours else "o"
    filled = "white" if record.is_bound else colour
    axes.plot(estimate.value, place, shape, color=colour, mfc=filled, ms=7 if shape == "D" else 6)
    right = max(estimate.value, estimate.high or 0.0)
    text = f"{shown(estimate.value)}×"  # noqa: RUF001
    axes.annotate(
        *(text, (right, place)),
        **{"xytext": (8, 0), "textcoords": "offset points"},
        **{"va": "center", "fontsize": 9, "color": colour},
    )


def _curves(plt: Any, groups: dict[str, list[Row]], work: str) -> Any:
    """A panel for each first word of the variants (2 ranks, …), a curve for each system."""
    panels: dict[str, dict[str, list[Row]]] = {}
    for variant, rows in groups.items():
        first, _, rest = variant.rpartition(", ")
        panels.setdefault(first, {})[rest] = rows
    figure, drawn = plt.subplots(
        1,
        len(panels),
        figsize=(5 * len(panels) + 1, 4.4),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    colours: dict[str, str] = {}
    values = []
    for axes, (first, ticks) in zip(drawn[0], panels.items(), strict=True):
        curves: dict[str, list[tuple[int, Record, Estimate]]] = {}
        for place, rows in enumerate(ticks.values()):
            for record, estimate in rows:
                curves.setdefault(record.system, []).append((place, record, estimate))
        for system, curve in curves.items():
            record = curve[0][1]
            ours = record.is_ours
            colour = (
                OURS if ours else colours.setdefault(system, f"C{(0, 2, 4, 5)[len(colours) % 4]}")
            )
            places = [place for place, _, _ in curve]
            middle = [estimate.value for _, _, estimate in curve]
            values += middle
            style = "D-" if ours else "o--" if record.is_bound else "o-"
            axes.plot(places, middle, style, color=colour, ms=5, label=_label(record))
            ends = [(e.low or e.value, e.high or e.value) for _, _, e in curve]
            axes.fill_between(places, *zip(*ends, strict=True), color=colour, alpha=0.2)
        axes.set_xticks(range(len(ticks)), ticks, rotation=45)
        axes.set_title(first, fontsize=10, loc="left")
        _one(axes.axhline)
        axes.grid(which="both", alpha=0.25)
        axes.legend(fontsize=8)
    axes = drawn[0, 0]
    _scale(axes.set_yscale, axes.yaxis, values)
    axes.set_ylabel("lambda_fast is so many times as fast\nas the system (band: 95 % interval)")
    figure.suptitle(work, fontweight="bold")
    return figure


def _label(record: Record) -> str:
    return f"{called(record.system)}{' (bound)' if record.is_bound else ''}"


def _colour(record: Record) -> str:
    return OURS if record.is_ours else BOUND if record.is_bound else PEER


def _one(line: Any) -> None:
    """Marks where both are equally fast."""
    line(1.0, color=OURS, lw=1, ls=(0, (4, 3)), zorder=0)


def _scale(set_scale: Any, axis: Any, values: Sequence[float]) -> None:
    """Logarithmic where ratios are far apart, with plain numbers."""
    if max(values) / min(values) < WIDE:
        return
    from matplotlib import ticker

    set_scale("log")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _pyplot() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ResultsError(
            "[report] expected matplotlib, which draws the plots, found none. "
            "Install it: pip install 'matplotlib>=3.8'"
        ) from error
    mpl.use("agg")
    import matplotlib.pyplot as plt

    return plt
