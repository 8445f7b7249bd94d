"""--set and --print-config: types, paths and messages."""

import dataclasses

import pytest

from lambda_fast import overrides
from lambda_fast.build import recipe
from lambda_fast.config import ConfigError


@pytest.fixture
def config():
    return recipe("cifar10")


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("epochs=3", 3),
        ("max_step=50", 50),
        ("max_step=none", None),
        ("seed=-1", -1),
        ("model_dir=~/x=y", "~/x=y"),
        ("modeler.learning_rate=1", 1.0),
        ("modeler.learning_rate=2e-1", 0.2),
        ("modeler.nesterov=false", False),
        ("modeler.precision=bfloat16", "bfloat16"),
        ("modeler.boundaries=10,20.5", (10.0, 20.5)),
        ("modeler.boundaries=[1]", (1.0,)),
        ("modeler.boundaries=()", ()),
        ("modeler.decay=0.2", 0.2),
        ("modeler.decay=0.2,0.5", (0.2, 0.5)),
        ("modeler.weight_decay_skip=*/bias", ("*/bias",)),
        ("modeler.weight_decay_skip=*/bias,*/gamma", ("*/bias", "*/gamma")),
        ("modeler.weight_decay_skip=()", ()),
        ("modeler.weight_decay_skip=none", None),
        ("augmenter.contrast=0.5,1.5", (0.5, 1.5)),
        ("callback.names=train_basic,train_loss", ("train_basic", "train_loss")),
        ("callback.names=train_basic", ("train_basic",)),
        ("inputter.data_dir=/some/where", "/some/where"),
        ("inputter.data_dir=none", None),
    ],
)
def test_values_take_the_type_of_the_field(config, assignment, value):
    found = overrides.apply(config, [assignment])
    for name in assignment.partition("=")[0].split("."):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epochs", r"expected path=value, found 'epochs'"),
        ("epoch=3", r"found 'epoch'. Did you mean epochs"),
        ("learning_rate=3", r"Did you mean modeler.learning_rate"),
        ("modeler=3", r"found the part modeler. Its fields: modeler.name"),
        ("seed.low=3", r"found 'seed.low'"),
        ("epochs=3.5", r"expected epochs to be of type int; found '3.5'"),
        ("epochs=true", r"expected epochs to be of type int"),
        ("epochs=", r"expected epochs to be of type int"),
        ("modeler.nesterov=1", r"to be of type bool"),
        ("modeler.precision=float8", r"one of auto, float32, bfloat16; found 'float8'"),
        ("modeler.optimizer=adamax", r"one of momentum, sgd, adam, .*; found 'adamax'"),
        ("augmenter.contrast=0.5", r"tuple\[float, float\]"),
        ("augmenter.contrast=0.5,a", r"tuple\[float, float\]"),
        ("epochs={[]:1}", r"expected epochs to be of type int"),
        ("modeler.learning_rate=1e999", r"to be of type float"),
        ("modeler.learning_rate=1" + 400 * "0", r"to be of type float"),
        ("modeler.learning_rate=fast", r"to be of type float; found 'fast'"),
    ],
)
def test_what_does_not_fit_is_refused(config, assignment, message):
    with pytest.raises(ConfigError, match=message):
        overrides.apply(config, [assignment])


def test_printed_lines_bring_the_config_back(config):
    changes = ["epochs=7", "max_step=3", "modeler.boundaries=1,2", "modeler.decay=0.5,0.2"]
    changed = overrides.apply(config, [*changes, "modeler.weight_decay_skip=*/b[ei]*"])
    again = overrides.apply(config, list(overrides.lines(changed)))
    assert again == changed
    assert again != config


@pytest.mark.parametrize(
    "assignment",
    [
        "epochs=0",
        "max_step=0",
        "batch_size_per_gpu=0",
        "gpu_count=0",
        "modeler.learning_rate=0",
        "modeler.momentum=1",
        "modeler.momentum=0",
        "modeler.weight_decay=-1",
        "modeler.label_smoothing=1",
        "modeler.warmup_epochs=-1",
        "modeler.boundaries=3,2",
        "modeler.schedule=piecewise",
        "modeler.decay=0.1,0.1",
        "modeler.decay=0",
        "modeler.decay_epochs=0",
        "modeler.min_learning_rate=1",
        "modeler.betas=0.9,1",
        "modeler.rho=1",
        "modeler.epsilon=0",
        "modeler.clip_norm=-1",
        "modeler.accumulate=0",
        "modeler.ema=1",
        "modeler.mixup=-1",
        "modeler.mix_switch=2",
        "callback.log_every_n_iter=0",
        "callback.keep_checkpoint_max=0",
        "callback.save_checkpoints_steps=-1",
    ],
)
def test_values_that_no_run_can_use_are_refused(config, assignment):
    with pytest.raises(ConfigError, match=r"^\[config\] expected .* found"):
        overrides.apply(config, [assignment]).check()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "nix"}, r"modeler.optimizer to be one of momentum, sgd, .*; found 'nix'"),
        ({"clip_norm": 1.0, "clip_value": 1.0}, r"modeler.clip_value to be 0 with clip_norm"),
        (
            {"schedule": "piecewise", "boundaries": (1.0, 2.0), "decay": (0.1,)},
            r"modeler.decay to be one number, or .* one for each of 2 boundaries; found \(0.1,\)",
        ),
    ],
)
def test_fields_of_a_modeler_that_contradict_each_other_are_refused(config, fields, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config.modeler, **fields).check()


def test_the_best_needs_an_evaluation(config):
    settings = ["callback.keep_best=true", "callback.eval_every_epochs=1"]
    overrides.apply(config, settings).check()
    for change in ("callback.names=train_basic,train_loss", "callback.eval_every_epochs=0"):
        with pytest.raises(ConfigError, match=r"callback.keep_best to be false without train_eval"):
            overrides.apply(config, [*settings, change]).check()


def test_the_recipe_itself_is_sound(config):
    config.check()
    assert dataclasses.is_dataclass(config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 3


@pytest.mark.parametrize(
    ("kind", "function", "known"),
    [
        ("configs", "recipe", "cifar10"),
        ("network", "net", "resnet32"),
        ("callback", "build", "train_basic, train_eval"),
        ("inputter", "build", "in_memory_inputter"),
    ],
)
def test_an_unknown_name_lists_what_exists(kind, function, known):
    from lambda_fast.build import find

    with pytest.raises(ConfigError, match=rf"\[{kind}\] expected one of .*{known}.*; found 'nix'"):
        find(kind, "nix", function)
