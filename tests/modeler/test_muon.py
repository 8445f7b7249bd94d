"""Muon against numpy: what it does to kernels, matrices and vectors."""

import keras
import numpy as np

from lambda_fast.modeler.muon import Muon, orthogonal

RATE = 0.1


def newton_schulz(matrix):
    """Of each singular value by itself."""
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return (u * values) @ v, values


def test_orthogonal_changes_the_singular_values_alone():
    rng = np.random.default_rng(0)
    for shape in ((6, 40), (40, 6), (9, 9)):
        matrix = rng.normal(size=shape).astype(np.float32)
        expected, values = newton_schulz(matrix)
        np.testing.assert_allclose(orthogonal(matrix), expected, atol=2e-5)
        if shape[0] != shape[1]:
            assert 0.6 < values.min() < values.max() < 1.3


def test_two_steps_of_each_kind_of_variable():
    rng = np.random.default_rng(1)
    shapes = {"kernel": (3, 3, 4, 8), "dense": (5, 3), "offset": (7,), "scale": (7,)}
    first = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    variables = {
        name: keras.Variable(value, dtype="float32", name=name) for name, value in first.items()
    }
    muon = Muon(RATE, momentum=0.6, decay=0.5, dense_rate=0.25, vector_rate=4.0)
    muon.exclude_from_weight_decay([variables["scale"]])
    muon.build(list(variables.values()))
    now, momenta = dict(first), dict.fromkeys(shapes, 0.0)
    for _ in range(2):
        grads = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        muon.apply([keras.ops.convert_to_tensor(g, "float32") for g in grads.values()])
        for name, grad in grads.items():
            if name == "kernel":
                momenta[name] = 0.6 * momenta[name] + grad
                ahead = (grad + 0.6 * momenta[name]).reshape(36, 8)
                step = newton_schulz(ahead)[0].reshape(3, 3, 4, 8)
                now[name] *= np.sqrt(8) / np.sqrt((now[name] ** 2).sum())
                now[name] = now[name] - RATE * step
                continue
            pull = {"dense": 0.25, "offset": 4.0, "scale": 4.0}[name] * grad
            pull = pull + {"dense": 0.5, "offset": 0.5, "scale": 0.0}[name] * now[name]
            momenta[name] = 0.85 * momenta[name] + pull
            now[name] = now[name] - RATE * (pull + 0.85 * momenta[name])
    for name, variable in variables.items():
        np.testing.assert_allclose(variable.numpy(), now[name], atol=2e-5, err_msg=name)
