"""A bad step leaves the variables as they were: for good with `stop`, alone with `skip`."""

import math

import keras
import pytest
import tensorflow as tf

from lambda_fast.modeler.nonfinite_guard import NonfiniteGuard, NotMade


class Step:
    """A step of one weight by plain gradient descent."""

    def __init__(self, policy):
        self.weight = keras.Variable(0.0, name="weight")
        self.iterations = keras.Variable(0, dtype="int64", name="iterations", trainable=False)
        variables = [self.weight, self.iterations]
        self.guard = NonfiniteGuard(variables, self.iterations, policy)

    @tf.function(jit_compile=True)
    def __call__(self, loss, grad):
        before = self.guard.before()
        self.weight.assign_sub(grad)
        self.iterations.assign_add(1)
        self.guard.settle(before, loss, [grad, tf.zeros([3])])

    def state(self):
        return float(self.weight.value), int(self.iterations.value)


@pytest.mark.parametrize("loss", [1.0, math.nan, math.inf])
@pytest.mark.parametrize("grad", [1.0, math.nan, -math.inf])
@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_bad_step_is_taken_back(policy, loss, grad):
    step = Step(policy)
    step(tf.constant(1.0), tf.constant(1.0))
    step(tf.constant(loss), tf.constant(grad))
    good = loss == grad == 1.0
    assert step.state() == (-2.0 if good else -1.0, 2 if good or policy == "skip" else 1)
    assert step.guard.look() == (None if good else NotMade(1, 1))


def test_stop_keeps_the_state_before_the_first_bad_step():
    step = Step("stop")
    for grad in (1.0, math.nan, 1.0, math.inf, 1.0):
        step(tf.constant(0.5), tf.constant(grad))
    assert step.state() == (-1.0, 1)
    assert step.guard.look() == step.guard.look() == NotMade(1, 4)


def test_skip_goes_on_and_counts_from_look_to_look():
    step = Step("skip")
    for grad in (1.0, math.nan, 1.0, math.inf, 1.0):
        step(tf.constant(0.5), tf.constant(grad))
    assert step.state() == (-3.0, 5)
    assert step.guard.look() == NotMade(1, 2)
    assert step.guard.look() is None
    step(tf.constant(0.5), tf.constant(math.nan))
    assert step.guard.look() == NotMade(5, 1)


def test_large_finite_gradients_are_no_fault():
    step = Step("stop")
    step(tf.constant(3e38), tf.constant(3e38))  # whose square would be infinite
    assert step.guard.look() is None
