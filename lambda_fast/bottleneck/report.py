"""The report: a sentence, a table, and the same as facts for `summary.json`."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

from lambda_fast.bottleneck import COLLECTIVE, COMPUTE, GAP, HANDOVER, INPUT
from lambda_fast.bottleneck.verdict import Verdict

LATE = 0.1  # share of a step from which a rank that is late is told

_SAYS = {
    INPUT: "Input bounds this run: it costs",
    HANDOVER: "Handing batches over bounds this run: it takes",
    COMPUTE: "Compute bounds this run: it takes",
    COLLECTIVE: "Sums over ranks bound this run: they take",
    GAP: "The host bounds this run: between steps it takes",
}
_WITHOUT = {
    INPUT: "With batches at hand the steps make",
    HANDOVER: "With batches at hand the steps make",
    COMPUTE: "The inputter alone makes",
    COLLECTIVE: "Without them the steps make",
    GAP: "One after the other the steps make",
}
_CEILINGS = {
    "steps_alone": "steps on one batch",
    "without_collective": "and without the collective",
    "input_alone": "inputter alone",
}


def facts(found: Verdict, images: int, changes: list[str]) -> dict[str, Any]:
    """What a program reads.

    Args:
        found: what bounds the run.
        images: of all ranks in a step.
        changes: that help.
    """
    rates = {name: _rate(getattr(found.ceilings, name), images) for name in _CEILINGS}
    return {
        "bound": found.bound,
        "cost_seconds": found.cost,
        "step_seconds": found.split.step_seconds,
        "steps": found.split.steps,
        "stages": found.split.stages,
        "callbacks": found.split.callbacks,
        "rank": found.rank,
        "late_seconds": found.late_seconds,
        "contended_seconds": found.contended_seconds,
        "images_per_second": _rate(found.split.step_seconds, images),
        "ceilings": rates,
        "sentence": _sentence(found, images),
        "changes": changes,
    }


def _rate(seconds: float | None, images: int) -> float | None:
    return None if not seconds else images / seconds


def _sentence(found: Verdict, images: int) -> str:
    step = found.split.step_seconds
    text = f"{_SAYS[found.bound]} {_ms(found.cost)} of each step's {_ms(step)}"
    if found.bound == INPUT and found.contended_seconds:
        waited = found.split.stages[INPUT]
        text += (
            f", {_ms(waited)} of waiting and {_ms(found.contended_seconds)} by which steps are "
            "slower beside its threads"
        )
    text += f" ({found.cost / step:.0%}). "
    if found.late_seconds > LATE * step:
        text = (
            f"Rank {found.rank} is late: the others wait {_ms(found.late_seconds)} a step for it. "
            f"There: {text}"
        )
    rate = _rate(found.ceiling, images)
    if rate is not None:
        text += f"{_WITHOUT[found.bound]} {rate:,.0f} images/s, the run made {images / step:,.0f}. "
    return text.strip()


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def text(facts: dict[str, Any]) -> str:
    """What a person reads: the sentence, the changes and the table.

    Args:
        facts: as `facts` gives them.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("a step's")
    for title in ("ms", "share", "images/s"):
        table.add_column(title, justify="right")
    step = facts["step_seconds"]
    for stage, seconds in facts["stages"].items():
        table.add_row(stage, f"{seconds * 1e3:.2f}", f"{seconds / step:.1%}", "")
    table.add_row("all", f"{step * 1e3:.2f}", "", f"{facts['images_per_second']:,.0f}")
    for name, rate in facts["ceilings"].items():
        if rate is not None:
            table.add_row(_CEILINGS[name], "", "", f"{rate:,.0f}")
    console = Console(file=io.StringIO(), width=100, color_system=None, highlight=False)
    console.print(table)
    lines = [facts["sentence"], *(f"  try {change}" for change in facts["changes"])]
    return "\n".join([*lines, *console.file.getvalue().rstrip().splitlines()])
