"""The learning rate of each step."""

import itertools
import math

import pytest

from lambda_fast.config import ModelerConfig
from lambda_fast.modeler.schedule import Schedule


def rate(step, **fields):
    config = ModelerConfig(**({"learning_rate": 0.4} | fields))
    return float(Schedule(config=config, steps_per_epoch=10, total_steps=100)(step))


def test_warmup_rises_to_the_peak():
    rates = [rate(step, warmup_epochs=2, schedule="constant") for step in range(22)]
    assert rates[0] > 0
    assert all(b > a for a, b in itertools.pairwise(rates[:20]))
    assert rates[20] == rates[21] == pytest.approx(0.4)


def test_cosine_falls_from_the_peak_to_zero():
    assert rate(0) == pytest.approx(0.4)
    assert rate(50) == pytest.approx(0.2, rel=1e-5)
    assert rate(25) == pytest.approx(0.2 * (1 + math.cos(math.pi / 4)), rel=1e-5)
    assert rate(100) == pytest.approx(0, abs=1e-7)
    assert rate(20, warmup_epochs=2) == pytest.approx(0.4)


def test_piecewise_multiplies_at_each_boundary():
    steps = {0: 0.4, 19: 0.4, 20: 0.04, 49: 0.04, 50: 0.004, 99: 0.004}
    for step, expected in steps.items():
        found = rate(step, schedule="piecewise", boundaries=(2, 5), decay=0.1)
        assert found == pytest.approx(expected, rel=1e-5)


def test_each_boundary_may_have_a_factor_of_its_own():
    for step, expected in {0: 0.4, 20: 0.2, 50: 0.04}.items():
        found = rate(step, schedule="piecewise", boundaries=(2, 5), decay=(0.5, 0.2))
        assert found == pytest.approx(expected, rel=1e-5)


def test_cosine_and_linear_end_at_the_floor():
    fields = {"warmup_epochs": 2, "min_learning_rate": 0.1}
    for schedule in ("cosine", "linear"):
        assert rate(20, schedule=schedule, **fields) == pytest.approx(0.4)
        assert rate(60, schedule=schedule, **fields) == pytest.approx(0.25, rel=1e-5)
        assert rate(100, schedule=schedule, **fields) == pytest.approx(0.1, rel=1e-5)
        assert rate(9, schedule=schedule, **fields) == pytest.approx(0.4 * 10 / 21)
    assert rate(40, schedule="linear", warmup_epochs=2) == pytest.approx(0.3)
    assert rate(100, schedule="linear") == 0


def test_step_and_exponential_fall_by_the_factor_each_decay_epochs():
    fields = {"warmup_epochs": 1, "decay": 0.5, "decay_epochs": 2}
    for step, falls in {10: 0, 20: 0.5, 29: 0.95, 30: 1, 69: 2.95, 70: 3}.items():
        assert rate(step, schedule="exponential", **fields) == pytest.approx(
            0.4 * 0.5**falls, rel=1e-5
        )
        assert rate(step, schedule="step", **fields) == pytest.approx(
            0.4 * 0.5 ** int(falls), rel=1e-5
        )
