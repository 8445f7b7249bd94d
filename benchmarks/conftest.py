"""What all benchmarks share: who is measured, what is recorded, and the table at the end."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for `benchmarks`

import pytest

from benchmarks import summary
from benchmarks.commit import commit
from benchmarks.interleave import PACES, Pace, Samples, System, interleave, is_quick, mode
from benchmarks.quick import Budget, place
from benchmarks.quiet import Watch
from lambda_fast.benchmark_report.record import RATES, Record

Measure = Callable[[Mapping[str, Callable[[], System]]], dict[str, Samples | str]]
COMMIT = commit()  # of the code that is about to be imported
RESULTS = pytest.StashKey[list[Record]]()
EXIT_STATUS = pytest.StashKey[int]()
BUDGET = Budget(time.monotonic())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In quick mode, what a user looks for first comes first."""
    if is_quick():
        items.sort(key=lambda item: place(item.path.stem))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In quick mode, leaves out what does not fit into its time."""
    if is_quick() and (reason := BUDGET.left_out(item.path.stem)):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def measure(request: pytest.FixtureRequest) -> Measure:
    """Builds the systems that selected tests ask for, and measures them interleaved.

    A test asks for the system that its parameter `system` names. A system whose package is not
    installed is left out, and its test is skipped with the reason.
    """

    def run(builders: Mapping[str, Callable[[], System]]) -> dict[str, Samples | str]:
        chosen = {
            item.callspec.params.get("system")
            for item in request.session.items
            if item.path == request.path and hasattr(item, "callspec")
        }
        systems: dict[str, System] = {}
        absent: dict[str, str] = {}
        for name in [name for name in builders if name in chosen]:
            try:
                systems[name] = builders[name]()
            except pytest.skip.Exception as reason:
                absent[name] = str(reason)
        once = request.config.getoption("benchmark_disable")
        with Watch() as watch:
            samples = interleave(list(systems.values()), Pace(1, 0.0) if once else PACES[mode()])
        measured = [replace(found, others=watch.others) for found in samples]
        return absent | dict(zip(systems, measured, strict=True))

    return run


@pytest.fixture
def record(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hands measured durations to pytest-benchmark, with `extra_info`.

    pytest-benchmark times one function from its first round to its last, so it cannot take turns.
    Here the turns have been taken when the test runs: what its `stats` get are the durations of
    the interleaved blocks as the clock gave them, with the steps of a block as `iterations`.
    pytest-benchmark has no public way for that; `_make_stats` and `update` are what its own
    `pedantic` calls after each round.
    """

    def give(samples: Samples | str, work: str, variant: str, **facts: Any) -> None:
        if isinstance(samples, str):
            benchmark.skipped = True
            pytest.skip(samples)
        system = samples.system
        benchmark.group = f"{work} {variant}"
        benchmark.extra_info |= {
            "work": work,
            "variant": variant,
            "system": system.name,
            "median": samples.step_seconds,
            "spread": samples.spread,
            "others": samples.others,
            "mode": mode(),
            **system.facts,
            **facts,
            **_machine(),
        }
        if not any(rate in benchmark.extra_info for rate in RATES):
            benchmark.extra_info["images_per_second"] = samples.images_per_second
        benchmark._mode = "interleaved"
        if not benchmark.enabled:
            return
        stats = benchmark._make_stats(samples.steps)
        for seconds in samples.seconds:
            stats.update(seconds)
        seconds = [block / samples.steps for block in samples.seconds]
        found = Record.of(dict(benchmark.extra_info), seconds, request.node.nodeid)
        request.config.stash.setdefault(RESULTS, []).append(found)

    return give


@cache
def _machine() -> dict[str, Any]:
    from lambda_fast.machine import machine, versions

    return {
        "machine": machine(),
        "versions": versions() | summary.peer_versions(),
        "commit": COMMIT,
    }


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints the table of ratios."""
    records = config.stash.get(RESULTS, [])
    if records:
        terminalreporter.write_sep("=", "lambda_fast and its peers")
        terminalreporter.write(summary.text(records))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the process once all is written: tf.data's iterators would take a minute."""
    if config.stash.get(RESULTS, []):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[EXIT_STATUS])


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Notes what the process ends with."""
    session.config.stash[EXIT_STATUS] = int(exitstatus)
