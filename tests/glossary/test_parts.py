"""Parts stated one by one become the config that a recipe would have stated."""

import importlib
import pkgutil

import pytest

from lambda_fast.augmenter import cifar
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.config import ConfigError
from lambda_fast.glossary import (
    CallbackConfig,
    ImageClassificationInputterConfig,
    ImageClassificationModelerConfig,
    InputterConfig,
    ModelerConfig,
    RunnerConfig,
)
from lambda_fast.network import resnet32


def build(kind, name):
    return importlib.import_module(f"lambda_fast.{kind}.{name}").build


def own_net(num_classes, image_shape):
    return resnet32.net(num_classes, image_shape)


def application(mode="train", augmenter=cifar, net=resnet32.net, callbacks=("train_loss",), **of):
    """An application; `of` has fields of its parts by their name."""
    stated = {"epochs": 3, "dataset_meta": "~/a.csv"} | of.get("inputter", {})
    inputter = ImageClassificationInputterConfig(
        InputterConfig(mode, **stated),
        image_height=32,
        image_width=32,
        image_depth=3,
        num_classes=10,
    )
    modeler = ImageClassificationModelerConfig(
        ModelerConfig(mode, **of.get("modeler", {})), of.get("num_classes", 10)
    )
    watching = CallbackConfig(mode, **of.get("callback", {}))
    return build("runner", "runner")(
        RunnerConfig(mode, **of.get("runner", {})),
        build("inputter", "image_classification_csv_inputter")(inputter, augmenter),
        build("modeler", "image_classification_modeler")(modeler, net),
        [build("callback", name)(watching) for name in callbacks],
    )


def test_what_is_stated_is_what_runs():
    config = application(
        inputter={"batch_size_per_gpu": 64},
        modeler={"batch_size_per_gpu": 64, "optimizer": "momentum", "learning_rate": 0.5},
        callback={"model_dir": "~/demo", "save_summary_steps": 7},
        runner={"gpu_count": 2, "summary_names": ["loss,accuracy", "learning_rate"]},
    ).config
    assert (config.epochs, config.batch_size_per_gpu, config.gpu_count) == (3, 64, 2)
    assert config.inputter.name == "image_classification_csv_inputter"
    assert (config.inputter.dataset_meta, config.inputter.num_classes) == ("~/a.csv", 10)
    assert config.inputter.resize == 32  # files of any size become what the crop is taken from
    assert config.augmenter == cifar.build(height=32, width=32)
    assert (config.modeler.network, config.modeler.learning_rate) == ("resnet32", 0.5)
    assert "~" not in str(config.model_path()) and config.callback.save_summary_steps == 7
    assert config.callback.names == ("train_loss",)
    assert config.runner.recorded() == ("loss", "accuracy", "learning_rate")


def test_nothing_has_to_be_stated():
    inputter = build("inputter", "in_memory_inputter")(InputterConfig())
    modeler = build("modeler", "image_classification_modeler")(ModelerConfig())
    config = build("runner", "runner")(RunnerConfig(), inputter, modeler, []).config
    assert config.inputter.dataset == "cifar10" and config.augmenter == AugmentSpec()
    assert config.callback.names == type(config.callback)().names


def test_each_mode_has_callbacks_of_its_own():
    config = application("eval", callbacks=("eval_basic", "eval_loss")).config
    assert config.callback.eval_names == ("eval_basic", "eval_loss")
    assert config.callback.names == type(config.callback)().names


def test_a_network_of_ones_own_is_found_by_its_module():
    name = application(net=own_net).config.modeler.network
    assert name.endswith(":own_net")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"inputter": {"batch_size_per_gpu": 8}, "modeler": {"batch_size_per_gpu": 9}},
            r"\[the modeler\] expected batch_size_per_gpu=8 as in the inputter, found 9",
        ),
        ({"num_classes": 5}, r"expected inputter.num_classes=10 as in the inputter, found 5"),
        ({"modeler": {"learningrate": 1}}, r"found 'learningrate'. Did you mean learning_rate"),
        ({"modeler": {"learning_rate": "x"}}, r"learning_rate to be of type float; found 'x'"),
        ({"modeler": {"learning_rate": -1.0}}, r"learning_rate to be above 0"),
        ({"modeler": {"optimizer": "nix"}}, r"optimizer to be one of .*momentum.*; found 'nix'"),
        ({"mode": "trian"}, r"expected mode to be one of train, eval, infer, export"),
        ({"augmenter": 5}, r"expected an augmenter: a module"),
        ({"net": lambda a, b: None}, r"expected module:function, a function at the top"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_run(fields, message):
    with pytest.raises(ConfigError, match=message):
        application(**fields)


def test_parts_of_another_kind_or_mode_are_refused():
    inputter = build("inputter", "in_memory_inputter")(InputterConfig("eval"))
    modeler = build("modeler", "image_classification_modeler")(ModelerConfig())
    make = build("runner", "runner")
    with pytest.raises(ConfigError, match="expected mode 'train' as in RunnerConfig, found 'eval'"):
        make(RunnerConfig(), inputter, modeler, [])
    with pytest.raises(ConfigError, match="expected modeler as build"):
        make(RunnerConfig("eval"), inputter, inputter, [])


@pytest.mark.parametrize("kind", ["callback", "inputter", "modeler", "runner"])
def test_every_part_can_be_stated(kind):
    package = importlib.import_module(f"lambda_fast.{kind}")
    for module in pkgutil.iter_modules(package.__path__, f"lambda_fast.{kind}."):
        found = vars(importlib.import_module(module.name)).get("build")
        if found is not None and found.__module__ == module.name:
            assert hasattr(found, "__wrapped__"), f"{module.name}.build lacks @assembly"
