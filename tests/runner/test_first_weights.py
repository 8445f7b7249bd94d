"""First weights by images are computed for a fresh run alone."""

import dataclasses

import numpy as np
import pytest
import tiny_modeler
import tiny_run

from lambda_fast.build import find, recipe
from lambda_fast.data import cifar10
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network import resnet32


@pytest.fixture
def asked(monkeypatch):
    """The images by which weights were chosen, one entry a time."""
    seen = []

    def first_weights(model, images):
        seen.append(images)
        kernel, bias = model.get_layer("conv").get_weights()
        model.get_layer("conv").set_weights([np.full_like(kernel, images.std()), bias])

    monkeypatch.setattr(cifar10, "load", tiny_run.tiny_load)
    monkeypatch.setattr(resnet32, "net", tiny_modeler.net)
    monkeypatch.setattr(tiny_modeler, "first_weights", first_weights, raising=False)
    return seen


def config(folder, **fields):
    base = recipe("cifar10")
    callback = dataclasses.replace(base.callback, names=("train_basic",))
    modeler = dataclasses.replace(base.modeler, precision="float32", ema=0.9)
    base = dataclasses.replace(base, batch_size_per_gpu=16, callback=callback, modeler=modeler)
    return dataclasses.replace(base, model_dir=str(folder), **fields)


def build(settings):
    return find("runner", "runner")(settings)


def test_a_run_computes_them_once_and_a_restored_one_takes_its_checkpoint(asked, tmp_path):
    whole = build(config(tmp_path / "whole", max_step=4)).run().modeler
    assert len(asked) == 1
    build(config(tmp_path / "parts", max_step=2)).run()
    assert len(asked) == 2
    resumed = build(config(tmp_path / "parts", max_step=4)).run().modeler
    assert len(asked) == 2
    for name, value in whole.variables().items():
        assert np.array_equal(value, resumed.variables()[name]), name


def test_a_modeler_without_a_runner_has_those_of_a_fresh_run(asked, tmp_path):
    settings = config(tmp_path, max_step=0)
    fresh = build(settings).run()
    alone = ImageClassificationModeler(settings, fresh.inputter, "train")
    assert len(asked) == 2
    assert np.array_equal(asked[0], asked[1])
    assert np.ptp(alone.model.get_layer("conv").get_weights()[0]) == 0
    for name, value in fresh.modeler.variables().items():  # the running means among them
        assert np.array_equal(value, alone.variables()[name]), name
