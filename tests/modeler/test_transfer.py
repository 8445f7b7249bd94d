"""Transfer learning: what is frozen stays in every way, what a file sets is what it holds."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tiny_run

from lambda_fast import checkpoint
from lambda_fast.build import recipe
from lambda_fast.config import ConfigError
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler import over_ranks, weights_file
from lambda_fast.modeler.freezing import freeze
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.modeler.weights_file import PretrainedError
from lambda_fast.network import resnet32
from lambda_fast.network.layers import BatchNormalization, Conv2D, has_native_kernels

# Two blocks, in our layers and in Keras', and normalisation without weights of its own.
BODY = ("first_conv", "first_norm", "second_conv", "second_norm", "bare_norm")


def tiny_net(num_classes, image_shape, head="logits"):
    image = keras.Input(image_shape, name="image")
    x = Conv2D(8, 3, strides=2, name="first_conv")(image)
    x = BatchNormalization(relu=True, name="first_norm")(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="second_conv")(x)
    x = keras.layers.BatchNormalization(name="second_norm")(x)
    x = keras.layers.BatchNormalization(center=False, scale=False, name="bare_norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(num_classes, name=head)(x))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(resnet32, "net", tiny_net)


def config(**modeler):
    base = recipe("cifar10")
    fields = {"precision": "float32", "weight_decay": 0.1, "warmup_epochs": 0.0} | modeler
    settings = dataclasses.replace(base.modeler, **fields)
    return dataclasses.replace(base, batch_size_per_gpu=16, modeler=settings)


def inputter():
    data = tiny_run.tiny_load("train")
    order = Order(samples=200, batch_size=16, seed=0, shuffle=True, complete=False)
    return InMemoryInputter(data.images, data.labels, data.class_names, order)


def modeler_of(**fields):
    return ImageClassificationModeler(config(**fields), inputter(), "train")


def values(model):
    return {variable.path: variable.numpy().copy() for variable in model.variables}


def moved(before, after):
    return {name for name in before if before[name].tobytes() != after[name].tobytes()}


@pytest.mark.parametrize(
    ("fields", "learns", "statistics"),
    [
        ({"trainable_vars": ("logits",)}, {"logits"}, set()),
        (
            {"skip_trainable_vars": ("first_*",)},
            {"second_conv", "second_norm", "logits"},
            {"second_norm", "bare_norm"},
        ),
        (
            {"trainable_vars": ("*_norm/*", "logits"), "skip_trainable_vars": ("bare_norm",)},
            {"first_norm", "second_norm", "logits"},
            {"first_norm", "second_norm"},
        ),
    ],
)
def test_frozen_variables_keep_their_bits_and_cost_nothing(fields, learns, statistics):
    modeler = modeler_of(**fields)
    names = [variable.path for variable in modeler.model.variables]
    expected = {n for n in names if n.split("/")[0] in learns and "moving" not in n}
    expected |= {n for n in names if n.split("/")[0] in statistics and "moving" in n}
    before = values(modeler.model)
    feed = inputter()
    for step in range(3):
        modeler.train_step(feed.batch(0, step))
    assert moved(before, values(modeler.model)) == expected
    learning = {variable.path for variable in modeler.learning}
    assert learning == {n for n in expected if "moving" not in n}
    slots = [v for v in modeler.optimizer.variables if len(v.shape)]
    assert len(slots) == len(learning)
    if "trainable_vars" in fields and has_native_kernels() and not statistics:
        hlo = modeler.train_program_hlo(feed.batch(0, 0))
        targets = re.findall(r'custom_call_target="(lf_\w+)"', hlo)
        assert sorted(targets) == ["lf_augment", "lf_batch_norm_inference", "lf_conv2d"]


def test_ranks_average_nothing_that_is_frozen(monkeypatch):
    seen = []
    monkeypatch.setattr(over_ranks, "all_reduce", lambda values: seen.extend(values) or values)
    modeler = modeler_of(skip_trainable_vars=("first_*", "second_conv"))
    modeler.config = dataclasses.replace(modeler.config, gpu_count=2)
    grads = [variable.value for variable in modeler.learning]
    modeler.reduce({"loss": 0.0, "accuracy": 0.0, "grads": grads})
    # scale, offset and two statistics; two statistics; kernel and bias; loss, accuracy and stop
    assert len(seen) == 4 + 2 + 2 + 3


def test_layers_within_layers_are_frozen_on_their_own():
    image = keras.Input((8, 8, 3))
    inner = keras.Sequential(
        [keras.layers.Conv2D(4, 3, name="deep"), keras.layers.BatchNormalization(name="norm")],
        name="inner",
    )
    pooled = keras.layers.GlobalAveragePooling2D()(inner(image))
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(pooled))
    split = freeze(model, config(trainable_vars=("inner/deep/kernel", "logits")).modeler)
    assert [v.path for v in split.learning] == [
        "inner/deep/kernel",
        "logits/kernel",
        "logits/bias",
    ]
    assert not split.moving
    assert len(split.frozen) == 5


# Files.


def other(seed=7, classes=10, head="logits"):
    """A network of other weights, statistics included."""
    model = tiny_net(classes, (32, 32, 3), head)
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(rng.uniform(0.1, 1.0, variable.shape))
    return model


def saved(model, folder, kind):
    if kind == "checkpoint":
        named = {f"model/{name}": value for name, value in values(model).items()}
        facts = {"augmenter.mean": [0, 0, 0]}
        return checkpoint.write(folder, checkpoint.Checkpoint(5, facts, named), 1)
    path = folder / f"weights{kind}"
    model.save_weights(path) if kind == ".weights.h5" else model.save(path)
    return path


@pytest.mark.parametrize("kind", [".h5", ".weights.h5", ".keras", "checkpoint"])
def test_a_file_sets_what_it_holds_and_a_new_head_keeps_its_first_values(tmp_path, kind):
    trained = other(classes=7, head="predictions")
    path = saved(trained, tmp_path, kind)
    modeler = modeler_of(pretrained_model=str(path), skip_trainable_vars=("first_*",))
    before = values(modeler.model)
    restored = modeler.load_pretrained()
    after, there = values(modeler.model), values(trained)
    for name in before:
        expected = before if name.startswith("logits") else there
        assert np.array_equal(after[name], expected[name]), name
    assert restored.absent == ["logits/kernel", "logits/bias"]
    assert len(restored.restored) == len(before) - 2
    assert len(restored.unused) == 2 and restored.unused[0].startswith("predictions/")
    assert any("augmenter.mean is" in note for note in restored.notes) == (kind == "checkpoint")


def test_an_older_name_of_an_array_goes_by_its_place(tmp_path):
    import h5py

    trained = other()
    path = saved(trained, tmp_path, ".h5")
    with h5py.File(path, "a") as file:
        layer = file["model_weights/second_conv"]
        layer["second_conv/depthwise_kernel:0"] = np.asarray(layer["second_conv/kernel"])
        layer.attrs["weight_names"] = [b"second_conv/depthwise_kernel:0"]
    modeler = modeler_of(pretrained_model=str(path))
    modeler.load_pretrained()
    assert np.array_equal(modeler.model.get_layer("second_conv").kernel, trained.layers[3].kernel)


def test_what_is_skipped_stays(tmp_path):
    path = saved(other(classes=7), tmp_path, ".weights.h5")
    fields = {"pretrained_model": str(path), "trainable_vars": ("logits",)}
    modeler = modeler_of(**fields, skip_pretrained_var=("logits/*", "*/moving_*"))
    before = values(modeler.model)
    restored = modeler.load_pretrained()
    kept = before.keys() - moved(before, values(modeler.model))
    assert kept == set(restored.skipped) == {n for n in before if "moving" in n or "logits" in n}
    assert any(line.startswith("Skipped 8 (bare_norm/moving_mean,") for line in restored.lines())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trainable_vars": ("logit",)}, "modeler.trainable_vars to match .* found 'logit'"),
        ({"skip_trainable_vars": ("x*",)}, "modeler.skip_trainable_vars to match .* found 'x"),
        ({"skip_trainable_vars": ("*",)}, "to leave weights to learn, found all 8 frozen"),
    ],
)
def test_patterns_that_freeze_nothing_or_all_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        modeler_of(**fields)


@pytest.mark.parametrize(
    ("source", "fields", "message"),
    [
        ({}, {"skip_pretrained_var": ("head",)}, "skip_pretrained_var to match .* found 'head'"),
        (
            {"classes": 7},
            {},
            r"expected logits/kernel as floats of shape \[8, 10\], found float32 of shape \[8, 7\]"
            r".*skip_pretrained_var=logits/\*",
        ),
        ({"head": "other"}, {"skip_trainable_vars": ("logits/bias",)}, "frozen .* 1 .logits/bias"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(tmp_path, source, fields, message):
    path = saved(other(**source), tmp_path, ".weights.h5")
    modeler = modeler_of(pretrained_model=str(path), **fields)
    before = values(modeler.model)
    with pytest.raises((ConfigError, PretrainedError), match=message):
        modeler.load_pretrained()
    assert not moved(before, values(modeler.model))


def test_a_file_of_another_network_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="alone")])
    path = saved(model, tmp_path, ".weights.h5")
    with pytest.raises(PretrainedError, match=r"found none in .*, which has 1 \(alone\)"):
        modeler_of(pretrained_model=str(path)).load_pretrained()


def test_what_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "text.h5").write_text("no")
    (tmp_path / "text.keras").write_text("no")
    (tmp_path / "text.txt").write_text("no")
    for name, message in {
        "none.h5": "found nothing",
        "text.h5": "weights that Keras wrote",
        "text.keras": "weights that Keras wrote",
        "text.txt": "a file of a known kind",
        ".": r"\[pretrained\] expected a checkpoint in",
    }.items():
        with pytest.raises((PretrainedError, checkpoint.CheckpointError), match=message):
            weights_file.read(str(tmp_path / name))


def test_imagenet_is_for_networks_that_have_it():
    with pytest.raises(ConfigError, match=r"a network of keras.applications .* found 'resnet32'"):
        modeler_of(pretrained_model="imagenet").load_pretrained()


def test_imagenet_takes_the_file_that_keras_keeps(tmp_path, monkeypatch):
    """The file lies where Keras' download would have put it."""
    body = keras.applications.MobileNet(
        input_shape=(32, 32, 3), alpha=0.25, include_top=False, weights=None
    )
    (tmp_path / "models").mkdir()
    body.save(tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5")
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: str(tmp_path))
    fields = {"network": "MobileNet(alpha=0.25)", "pretrained_model": "imagenet"}
    modeler = modeler_of(**fields, trainable_vars=("logits",))
    assert len(modeler.load_pretrained().restored) == len(body.variables)
    kernel = modeler.model.get_layer("conv_pw_13").kernel
    assert np.array_equal(kernel, body.get_layer("conv_pw_13").kernel)
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: f"{tmp_path}/2")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(ConfigError, match=r"ImageNet weights of MobileNet.* from Keras' download"):
        modeler.load_pretrained()
