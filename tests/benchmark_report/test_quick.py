"""Quick mode's budget: files are begun while they fit, at the pace that this machine has shown."""

from pathlib import Path

import pytest

from benchmarks.quick import LIMIT, SECONDS, Budget, place

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(pace, files=tuple(SECONDS), begin=10.0):
    """Files done and left out, where each takes `pace` times what the table says."""
    budget, now = Budget(0.0), begin
    done, left = [], []
    for file in files:
        reason = budget.left_out(file, now)
        (left if reason else done).append(file)
        if not reason:
            assert budget.left_out(file, now + 1) == "", "each of its tests"
            now += pace * SECONDS.get(file, 60)
    return done, left, now


def test_the_table_names_every_file():
    assert set(SECONDS) == {path.stem for path in BENCHMARKS.glob("bench_*.py")}
    assert sorted(SECONDS, key=place) == list(SECONDS)


@pytest.mark.parametrize("pace", [0.2, 0.4, 0.7, 1.0, 2.0])
def test_it_ends_within_the_limit(pace):
    done, left, end = run(pace)
    assert end <= LIMIT
    assert (left == []) == (pace < 0.45)
    assert done[0] == next(iter(SECONDS))


def test_the_reason_tells_what_to_do():
    budget = Budget(0.0)
    assert budget.left_out("bench_train", 10.0) == ""
    assert budget.left_out("bench_inputter", 10.0 + SECONDS["bench_train"]) == ""
    reason = budget.left_out("bench_train_resnet50", 270.0)
    assert reason.startswith("quick mode has 5 s left, and bench_train_resnet50.py would take")
    assert reason.endswith("Run it alone")


def test_one_file_alone_is_always_begun():
    assert Budget(0.0).left_out("bench_train_resnet50", 4000.0) == ""
