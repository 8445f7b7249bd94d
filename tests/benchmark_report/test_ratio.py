"""Ratios and their intervals, on rounds whose true ratio is known."""

import statistics

import benchmark_file
import numpy as np
import pytest

from lambda_fast.benchmark_report.ratio import change, ratio
from lambda_fast.benchmark_report.record import Record

TRUE = 2.0


def record(system, seconds, **facts):
    found = benchmark_file.entry("work", "variant", system, seconds, **facts)
    return Record.of(found["extra_info"], seconds, "here")


def run(number, rounds=15, ours=1.0, common=0.3, own=0.05):
    """Ours and a peer, in rounds whose noise they mostly share."""
    dice = np.random.default_rng(number)
    machine = np.exp(common * dice.standard_normal(rounds))
    mine = ours * machine * np.exp(own * dice.standard_normal(rounds))
    theirs = TRUE * machine * np.exp(own * dice.standard_normal(rounds))
    return record("lambda_fast", list(mine)), record("peer", list(theirs))


@pytest.mark.parametrize("rounds", [6, 15])
def test_the_interval_holds_the_true_ratio(rounds):
    found = [ratio(*run(number, rounds)) for number in range(200)]
    assert sum(each.low <= TRUE <= each.high for each in found) >= 180
    widths = [each.high / each.low for each in found]
    assert (
        statistics.median(widths) < 1.4
    )  # of noise that is not shared; the rounds spread by 2 to 3


def test_rounds_that_ran_apart_are_drawn_apart():
    ours, peer = run(0)
    apart = record("peer", peer.seconds, paired=False)
    together, alone = ratio(ours, peer), ratio(ours, apart)
    assert alone.value == together.value
    assert alone.high / alone.low > 1.3 * together.high / together.low


def test_a_ratio_counts_images_and_not_steps():
    ours = record("lambda_fast", [1.0] * 6, images=100)
    assert ratio(ours, record("peer", [1.0] * 6, images=50)).value == pytest.approx(2.0)
    assert str(ratio(ours, ours)) == "1.00 (1.00–1.00)"  # noqa: RUF001


def test_too_few_rounds_have_no_interval():
    found = ratio(*run(0, rounds=5))
    assert found.low is None and "(" not in str(found)


@pytest.mark.parametrize("true", [0.8, 1.0])
def test_the_change_between_two_runs(true):
    """The second machine is three times as slow, which is no change."""
    held = 0
    for number in range(100):
        base, new = run(number), run(1000 + number)
        slow = [
            record(r.system, [3 * s / (true if r.is_ours else 1) for s in r.seconds]) for r in new
        ]
        found = change([base], [tuple(slow)])
        held += found.low <= true <= found.high
    assert held >= 90
