"""How much of the machine other processes used while something was measured (Linux)."""

import os
import time
from pathlib import Path
from types import TracebackType

STAT = Path("/proc/stat")


class Watch:
    """A context; `others` holds the share of all processors afterwards, none where unknown."""

    others: float | None = None

    def __enter__(self) -> "Watch":
        self._begin = _now()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end = _now()
        if self._begin is not None and end is not None:
            seconds, busy, own = (b - a for a, b in zip(self._begin, end, strict=True))
            self.others = max(0.0, busy - own) / (seconds * (os.cpu_count() or 1))


def _now() -> tuple[float, float, float] | None:
    """Seconds on the clock, of all processors' work, and of this process's."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(
        int, STAT.read_text().split(maxsplit=9)[1:9]
    )
    ticks = user + nice + system + irq + softirq + steal
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), own
