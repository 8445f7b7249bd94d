"""One rank of a test: runs the case of TensorFlow's collective ops that its argument names."""

import re
import sys
from pathlib import Path

import numpy as np
from launch import say

from lambda_fast.runner import collective

assert "tensorflow" not in sys.modules
world = collective.join()

import tensorflow as tf  # noqa: E402

MODES = {
    "eager": lambda body: body,
    "graph": tf.function,
    "XLA": lambda body: tf.function(body, jit_compile=True),
}


def values(rank, shape, dtype=tf.float32):
    seeded = np.random.default_rng([rank, *shape]).standard_normal(shape).astype(np.float32)
    return tf.cast(tf.constant(seeded), dtype)


def operands(rank):
    kinds = (((3, 1000), tf.float32), ((), tf.float32), ((7, 5), tf.bfloat16), ((0, 4), tf.float16))
    return [values(rank, shape, dtype) for shape, dtype in kinds]


def raw(tensors):
    return [tensor.numpy().tobytes() for tensor in tensors]


def modes():
    """All modes give the same bits, of a mean and of a sum; and of broadcasts."""
    mine = operands(world.rank)
    for mean in (True, False):
        found = {
            name: raw(mode(lambda *x: collective.all_reduce(x, mean))(*mine))  # noqa: B023
            for name, mode in MODES.items()
        }
        assert found["eager"] == found["graph"] == found["XLA"]
        total = sum(values(r, (3, 1000)) for r in range(world.ranks))
        assert found["eager"][0] == raw([total / world.ranks if mean else total])[0]
    for root in range(world.ranks):
        for mode in MODES.values():
            got = mode(lambda *x: collective.broadcast(x, root))(*mine)  # noqa: B023
            assert raw(got) == raw(operands(root))
            whole = mode(lambda x: collective.broadcast([x, tf.cast(x, tf.bool)], root))  # noqa: B023
            assert int(whole(tf.constant(world.rank + 3))[0]) == root + 3
    return "right"


def hlo():
    """One custom call for a list, also when one of its results alone is used, or none."""
    mine = operands(world.rank)
    texts = []
    for keep in (lambda out: out, lambda out: out[1], lambda out: tf.constant(1.0)):
        step = tf.function(lambda *x: keep(collective.all_reduce(x)), jit_compile=True)  # noqa: B023
        step(*mine)
        texts.append(step.experimental_get_compiler_ir(*mine)(stage="optimized_hlo"))
    return [len(re.findall('custom_call_target="lf_all_reduce"', text)) for text in texts]


def loop():
    """Training steps in one compiled loop equal those of a program that has all data itself."""
    data = [values(r, (64, 8)) for r in range(world.ranks)]

    def gradient(weights, x):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = tf.reduce_mean(tf.square(tf.tanh(x @ weights) - 1.0))
        return tape.gradient(loss, weights)

    @tf.function(jit_compile=True)
    def train(weights, x, steps):
        for _ in tf.range(steps):
            (mean,) = collective.all_reduce([gradient(weights, x)])
            weights = weights - 0.5 * mean
        return weights

    found = train(tf.ones((8, 4)), data[world.rank], tf.constant(20))
    alone = tf.ones((8, 4))
    for _ in range(20):
        alone -= 0.5 * sum(gradient(alone, x) for x in data) / world.ranks
    np.testing.assert_allclose(found, alone, rtol=1e-5)
    return found.numpy().tobytes().hex()


def gradients():
    """What went to all ranks comes back from all of them; nothing comes back from a broadcast."""
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        mean, total, sent = (
            collective.all_reduce([x])[0] * (world.rank + 1.0),
            collective.all_reduce([x], mean=False)[0] * (world.rank + 1.0),
            collective.broadcast([x])[0],
        )
    found = [tape.gradient(y, x) for y in (mean, total, sent)]
    return [None if g is None else g.numpy().tolist() for g in found]


def order():
    """Several calls that do not depend on each other come in the program's order on all ranks."""

    @tf.function(jit_compile=True)
    def step(x):
        results = []
        for i in range(8):
            y = x[: 40 + i]
            for _ in range((i * 5 + world.rank * 3) % 8):  # longer here, shorter there
                y = tf.linalg.matmul(y, x) / 400.0
            results += collective.all_reduce([tf.ones_like(y) * (world.rank + i) + 0.0 * y], False)
        return results

    x = values(0, (400, 400))
    for _ in range(20):
        for i, result in enumerate(step(x)):
            expected = sum(rank + i for rank in range(world.ranks))
            assert result.shape[0] == 40 + i and (result.numpy() == expected).all()
    return "right"


def shapes_and_errors():
    """Shape functions, and what is refused."""
    from lambda_fast import native

    @tf.function
    def shapes(x, y):
        return collective.all_reduce([x, y])

    specs = tf.TensorSpec([None, 3]), tf.TensorSpec(None, tf.float16)
    assert [t.shape.rank for t in shapes.get_concrete_function(*specs).outputs] == [2, None]
    errors = []
    for wrong in (
        lambda: native.ops().lambda_fast_all_reduce([tf.constant([1])], 0.0),
        lambda: collective.broadcast([tf.constant([1])], world.ranks),
        lambda: native.ops().lambda_fast_broadcast([tf.constant([1])], 0.0, root=world.ranks),
    ):
        try:
            wrong()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    return errors


if __name__ == "__main__":
    assert Path(collective.__file__).resolve().parents[2] == Path(__file__).resolve().parents[2]
    say(world.rank, globals()[sys.argv[1]]())
    collective.leave()
