"""Quick mode ends within five minutes on any machine: what does not fit is left out and told."""

import time

# The order in quick mode, and what each file took of it on a slow machine, in seconds.
SECONDS = {
    "bench_train": 117,
    "bench_inputter": 72,
    "bench_augment": 43,
    "bench_all_reduce": 18,
    "bench_train_ranks": 81,
    "bench_programs": 87,
    "bench_bottleneck": 42,
    "bench_train_resnet50": 130,
}
LIMIT = 275.0  # seconds; what comes before and after is Python's and pytest's own


class Budget:
    """Says which files are still begun.

    Args:
        begin: time.monotonic() when everything began.
    """

    def __init__(self, begin: float) -> None:
        self._begin = begin
        self._done: list[str] = []
        self._begun = begin

    def left_out(self, file: str, now: float | None = None) -> str:
        """Why the file is not begun; "" if it is. The first one always is.

        How fast this machine is against the table is taken from the files that are done.

        Args:
            file: its name without suffix.
            now: time.monotonic().
        """
        now = time.monotonic() if now is None else now
        if self._done and file == self._done[-1]:
            return ""
        if self._done:
            known = sum(SECONDS.get(done, 0) for done in self._done)
            pace = (now - self._begun) / known if known else 1.0
            needs = pace * SECONDS.get(file, 60)
            if now - self._begin + needs > LIMIT:
                return (
                    f"quick mode has {max(0.0, LIMIT - (now - self._begin)):.0f} s left, and "
                    f"{file}.py would take about {needs:.0f} s here. Run it alone"
                )
        else:
            self._begun = now
        self._done.append(file)
        return ""


def place(file: str) -> int:
    """Of the file in the order."""
    return list(SECONDS).index(file) if file in SECONDS else len(SECONDS)
