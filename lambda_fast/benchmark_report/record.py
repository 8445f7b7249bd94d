"""A record: what one benchmark measured of one system, as it stands in the JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_fast.errors import UserError

OURS = "lambda_fast"
BOUND = "_alone"  # ends the name of what does a part of the work, which nobody can be faster than
RATES = {
    "gigabytes_per_second": "GB/s",
    "starts_per_second": "starts/s",
    "images_per_second": "images/s",
}
REQUIRED = {
    **dict.fromkeys(("work", "variant", "system", "mode", "commit"), str),
    **dict.fromkeys(("median", "spread"), (int, float)),
    **dict.fromkeys(("machine", "versions"), dict),
}
NOTES = {
    "bandwidth_share": "{:.1%} of bandwidth",
    "collective_share": "collective {:.2%} of step",
    "augment_share": "augmenter {:.2%} of step",
    "python_ms": "Python {:.2f} ms a step",
    "split_share": "the split {:.3%} of step",
    "seconds": "{:.1f} s",
    "wall_seconds": "{:.0f} s in all",
    "accuracy": "{:.1%} right afterwards",
}


class ResultsError(UserError, ValueError):
    """A file or a document that cannot be read as results."""


@dataclass(frozen=True)
class Record:
    """One system's result.

    Attributes:
        seconds: of a step, one for each round, in the order of the rounds.
        info: all else that was recorded; `REQUIRED` and one of `RATES` are in it.
    """

    seconds: tuple[float, ...]
    info: Mapping[str, Any]

    @classmethod
    def of(cls, info: Mapping[str, Any], seconds: Sequence[float], where: str) -> Record:
        """Checks what was recorded.

        Args:
            info: as recorded.
            seconds: of a step, by rounds.
            where: it stands, for the error.

        Raises:
            ResultsError: a field is missing or no round was measured.
        """
        missing = [name for name, kind in REQUIRED.items() if not isinstance(info.get(name), kind)]
        if not any(_positive(info.get(rate)) for rate in RATES):
            missing.append(" or ".join(reversed(RATES)))
        if missing:
            raise ResultsError(
                f"[{where}] expected the fields of this version's benchmarks, found no "
                f"{', '.join(missing)}. Measure again: pytest benchmarks/ --benchmark-only "
                "--benchmark-json=FILE"
            )
        if not isinstance(seconds, Sequence) or not seconds or not all(map(_positive, seconds)):
            raise ResultsError(
                f"[{where}] expected the duration of each round, found {seconds!r}. "
                "Measure again with --benchmark-json=FILE"
            )
        return cls(tuple(seconds), info)

    @property
    def work(self) -> str:
        """What was done."""
        return self.info["work"]

    @property
    def variant(self) -> str:
        """Of the work: the batch, the precision."""
        return self.info["variant"]

    @property
    def system(self) -> str:
        """That did it."""
        return self.info["system"]

    @property
    def is_ours(self) -> bool:
        """Whether lambda_fast did it, in one way or another."""
        return self.system.startswith(OURS)

    @property
    def is_bound(self) -> bool:
        """Whether it did a part of the work alone: no peer, but what can be reached."""
        return self.system.endswith(BOUND)

    @property
    def paired(self) -> bool:
        """Whether its rounds were measured in turns with those of the other systems."""
        return self.info.get("paired", True)

    @property
    def unit(self) -> str:
        """Of the rate."""
        return next(unit for name, unit in RATES.items() if name in self.info)

    @property
    def rate(self) -> float:
        """At the median round."""
        return float(next(self.info[name] for name in RATES if name in self.info))

    @property
    def step_amount(self) -> float:
        """Images or gigabytes of a step: the rate times the step's seconds."""
        return self.rate * statistics.median(self.seconds)

    def notes(self) -> list[str]:
        """What else was measured, in words."""
        return [text.format(self.info[name]) for name, text in NOTES.items() if name in self.info]


def _positive(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number) and number > 0


def shown_rate(record: Record) -> str:
    """With as many digits as mean something."""
    rate = record.rate
    shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
    return f"{shown} {record.unit}"
