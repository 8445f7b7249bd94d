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
