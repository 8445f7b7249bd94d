"""Test-time views: which pictures the logits are the mean of."""

import keras
import numpy as np
import pytest

from lambda_fast.modeler.views import logits_of


@pytest.fixture(scope="module")
def model():
    """Linear, with a weight of its own for each pixel."""
    image = keras.Input((5, 6, 2))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))


def test_views(model):
    x = np.random.default_rng(0).normal(size=(4, 5, 6, 2)).astype(np.float32)
    wider = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")

    def says(images):
        return model(images).numpy()

    def both(images):
        return (says(images) + says(images[:, :, ::-1])) / 2

    shifted = (both(wider[:, :5, :6]) + both(wider[:, 2:, 2:])) / 2
    expected = {"none": says(x), "flip": both(x), "flip_shift": (both(x) + shifted) / 2}
    for views, logits in expected.items():
        np.testing.assert_allclose(logits_of(model, x, views), logits, rtol=1e-4, atol=1e-5)
