"""The layers compute what Keras' layers do, natively and plainly, from the same weights."""

import dataclasses
import re

import keras
import nn_cases
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from lambda_fast.build import recipe
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network import layers, resnet32
from lambda_fast.network.layers import BatchNormalization, Conv2D, MaxPooling2D, kernels

needs_native = pytest.mark.skipif(
    not layers.has_native_kernels(), reason="a build without oneDNN, or a machine with a GPU"
)
PATHS = [pytest.param("native", marks=needs_native), "plain"]


@pytest.fixture
def take(monkeypatch):
    """A function that puts the native or the plain path in place."""
    has_native_kernels = kernels.has_native_kernels

    def choose(path):
        chosen = {"native": has_native_kernels, "plain": lambda: False}[path]
        monkeypatch.setattr(kernels, "has_native_kernels", chosen)

    return choose


@pytest.fixture
def bfloat16():
    if layers.has_native_kernels() and not nn_cases.has_bfloat16_convolution():
        pytest.skip("oneDNN has bfloat16 with AVX-512 alone")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def close(found, expected, share=1e-5):
    found, expected = (np.asarray(value, np.float64) for value in (found, expected))
    assert found.shape == expected.shape
    error = np.abs(found - expected).max(initial=0)
    assert error <= share * np.abs(expected).max(initial=1e-6), error


def all_close(found, expected, share=1e-5):
    for a, b in zip(found, expected, strict=True):
        close(a, b, share)


def set_weights(layer, seed=1):
    """Values that are no defaults, variances above zero."""
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        variable.assign(rng.uniform(0.5, 1.5, size=variable.shape) * 0.3)


def with_gradients(layer, inputs, **options):
    """The layer's output, and the gradients of a weighted sum of it to inputs and weights."""
    inputs = [tf.constant(value) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(*inputs, **options)
        loss = tf.reduce_sum(y * images(*y.shape, seed=2))
    variables = [variable.value for variable in layer.trainable_variables]
    return [y, *tape.gradient(loss, [*inputs, *variables])]


CONVOLUTIONS = {
    "same": ({"kernel_size": 3}, (2, 9, 8, 5)),
    "same_strided_even": ({"kernel_size": 3, "strides": 2}, (2, 8, 10, 5)),
    "same_strided_odd": ({"kernel_size": 3, "strides": 2}, (2, 9, 7, 5)),
    "same_strided_one_pixel": ({"kernel_size": 1, "strides": 2}, (2, 9, 8, 5)),
    "same_seven": ({"kernel_size": 7, "strides": 2}, (2, 9, 12, 3)),
    "same_stride_3": ({"kernel_size": 5, "strides": 3}, (2, 10, 11, 3)),
    "same_even_kernel": ({"kernel_size": 4, "strides": 1}, (2, 6, 7, 3)),
    "valid": ({"kernel_size": 3, "padding": "valid"}, (2, 9, 8, 5)),
    "valid_strided": ({"kernel_size": 3, "strides": 2, "padding": "valid"}, (2, 10, 8, 5)),
    "pixels": ({"kernel_size": 3, "strides": 2, "padding": 1}, (2, 8, 9, 16)),
    "more_pixels": ({"kernel_size": 3, "padding": 2}, (3, 5, 9, 16)),
    "row": ({"kernel_size": (1, 7)}, (2, 4, 9, 16)),
    "column_strided": ({"kernel_size": (7, 1), "strides": 2}, (2, 9, 4, 5)),
    "column_valid": ({"kernel_size": (3, 1), "padding": "valid"}, (2, 9, 4, 5)),
    "bias": ({"kernel_size": 3, "use_bias": True}, (2, 5, 6, 5)),
}
convolutions = pytest.mark.parametrize(
    ("options", "shape"), CONVOLUTIONS.values(), ids=CONVOLUTIONS
)


@convolutions
@pytest.mark.parametrize("path", PATHS)
def test_convolution_equals_keras(take, path, options, shape):
    take(path)
    mine = Conv2D(16, **options)
    mine.build(shape)
    set_weights(mine)
    padding = options.get("padding", "same")
    pixels = padding if isinstance(padding, int) else 0
    keras_options = options | {"padding": "valid" if pixels else padding}
    convolution = keras.layers.Conv2D(16, **({"use_bias": False} | keras_options))
    twin = keras.Sequential(
        [keras.Input(shape[1:]), keras.layers.ZeroPadding2D(pixels), convolution]
    )
    twin.set_weights(mine.get_weights())
    found = with_gradients(mine, [images(*shape)])
    all_close(found, with_gradients(twin, [images(*shape)]))
    assert tuple(found[0].shape) == mine.compute_output_shape(shape)
    assert mine.compute_output_shape((None, *shape[1:])) == (None, *found[0].shape[1:])


@needs_native
@convolutions
def test_both_paths_convolve_alike(take, options, shape):
    results = {}
    for path in ("native", "plain"):
        take(path)
        layer = Conv2D(16, **options)
        layer.build(shape)
        set_weights(layer)
        results[path] = with_gradients(layer, [images(*shape)])
    all_close(results["native"], results["plain"])


NORMALISATIONS = {
    "plain": (False, False, (4, 5, 6, 7)),
    "relu": (True, False, (4, 5, 6, 7)),
    "residual": (False, True, (4, 5, 6, 16)),
    "residual_relu": (True, True, (4, 5, 6, 24)),
    "rows": (True, True, (30, 5)),
}
normalisations = pytest.mark.parametrize(
    ("relu", "has_residual", "shape"), NORMALISATIONS.values(), ids=NORMALISATIONS
)


def normalised(layer, shape, has_residual, steps=4):
    """Results and gradients of some training steps, of inference after them, and the weights."""
    set_weights(layer)
    found = []
    for step in range(steps):
        x, residual = images(*shape, seed=10 + step) + 0.7, images(*shape, seed=20 + step)
        inputs = [x, residual] if has_residual else [x]
        found += with_gradients(layer, inputs, training=True)
    return [*found, layer(*inputs, training=False), *layer.get_weights()]


@needs_native
@normalisations
def test_both_paths_normalise_alike(take, relu, has_residual, shape):
    results = {}
    for path in ("native", "plain"):
        take(path)
        layer = BatchNormalization(relu=relu, momentum=0.8)
        layer.build(shape)
        results[path] = normalised(layer, shape, has_residual)
    all_close(results["native"], results["plain"])


class KerasNormalisation(keras.layers.Layer):
    """Keras' normalisation, then Add, then ReLU."""

    def __init__(self, relu, **options):
        super().__init__()
        self.norm = keras.layers.BatchNormalization(**options)
        self.after = keras.layers.ReLU() if relu else keras.layers.Identity()

    def call(self, x, residual=None, training=None):
        y = self.norm(x, training=training)
        return self.after(y if residual is None else keras.layers.Add()([y, residual]))


@normalisations
@pytest.mark.parametrize("path", PATHS)
def test_normalisation_equals_keras(take, path, relu, has_residual, shape):
    take(path)
    mine = BatchNormalization(relu=relu, momentum=0.8, epsilon=1e-3)
    twin = KerasNormalisation(relu, momentum=0.8, epsilon=1e-3)
    mine.build(shape)
    twin.norm.build(shape)
    found, expected = (normalised(layer, shape, has_residual) for layer in (mine, twin))
    all_close(found, expected)


def small_net(shape=(12, 10, 3)):
    x = image = keras.Input(shape)
    x = Conv2D(16, 3, strides=2, name="first")(x)
    x = shortcut = BatchNormalization(relu=True, name="first_norm")(x)
    x = Conv2D(16, 3, padding=1, name="second")(x)
    x = BatchNormalization(relu=True, gamma_initializer="zeros", name="second_norm")(x, shortcut)
    x = MaxPooling2D(3, strides=2, padding=1, name="pool")(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, keras.layers.Dense(4, name="logits")(x), name="small")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("strides", [1, 2])
def test_a_layer_that_keeps_its_input_gives_the_sum_of_gradients(take, path, strides):
    take(path)
    x, weight = tf.constant(images(3, 9, 8, 16)), tf.constant(images(3, 9, 8, 16, seed=1))
    layer = Conv2D(16, 3, strides=strides, padding=1, keep_input=True)
    layer.build(x.shape)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, same = layer(x)
        convolved, kept = tf.reduce_sum(y**2), tf.reduce_sum(weight * same)
        both = convolved + kept
    assert np.array_equal(same, x)
    variables = [x, layer.kernel]
    apart = [tape.gradient(part, variables) for part in (convolved, kept)]
    dx, dkernel = tape.gradient(both, variables)
    close(dx, apart[0][0] + apart[1][0])
    close(dkernel, apart[0][1])
    assert layer.compute_output_shape(x.shape) == (tuple(y.shape), tuple(x.shape))
    assert Conv2D.from_config(layer.get_config()).keep_input


@needs_native
@pytest.mark.parametrize("paths", [("native", "plain"), ("plain", "native")], ids="_to_".join)
def test_weights_of_one_path_load_in_the_other(take, tmp_path, paths):
    first, second = paths
    take(first)
    model = small_net()
    set_weights(model)
    model.save_weights(tmp_path / "all.weights.h5")
    expected = model(images(2, 12, 10, 3), training=False)
    take(second)
    other = small_net()
    other.load_weights(tmp_path / "all.weights.h5")
    close(other(images(2, 12, 10, 3), training=False), expected)
    assert [v.path for v in other.variables] == [v.path for v in model.variables]
    assert [v.shape for v in other.variables] == [v.shape for v in model.variables]


def test_variables_are_named_as_keras_names_them():
    mine, twin = BatchNormalization(name="n"), keras.layers.BatchNormalization(name="n")
    convolution = Conv2D(8, 3, name="c")
    keras_convolution = keras.layers.Conv2D(8, 3, use_bias=False, name="c")
    for pair in ((mine, twin), (convolution, keras_convolution)):
        for layer in pair:
            layer.build((2, 5, 5, 3))
        a, b = ([(v.path, v.shape, v.trainable) for v in layer.weights] for layer in pair)
        assert a == b


@pytest.mark.parametrize("path", PATHS)
def test_a_model_is_saved_and_loaded(take, tmp_path, path):
    take(path)
    model = small_net()
    set_weights(model)
    model.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    x = images(3, 12, 10, 3)
    assert np.array_equal(model(x, training=False), loaded(x, training=False))
    assert [layer.get_config() for layer in loaded.layers] == [
        layer.get_config() for layer in model.layers
    ]


def test_a_model_saved_while_all_layers_were_one_module_is_loaded():
    told = small_net().to_json()
    before = re.sub(r"(lambda_fast\.network\.layers)\.\w+", r"\1", told)
    assert before != told
    assert keras.models.model_from_json(before).to_json() == told


@pytest.mark.parametrize("path", PATHS)
def test_mixed_bfloat16(take, path, bfloat16):
    take(path)
    model = small_net()
    assert {v.dtype for v in model.variables} == {"float32"}
    set_weights(model)
    x = images(4, 12, 10, 3)
    outputs = {
        layer.name: keras.Model(model.input, layer.output)(x, training=True)
        for layer in model.layers[1:]
    }
    assert {y.dtype for y in outputs.values()} == {tf.bfloat16}

    wide = Conv2D(16, 3, strides=2, dtype="float32")
    wide.build((None, 12, 10, 3))
    wide.set_weights(model.get_layer("first").get_weights())
    assert wide(x).dtype == tf.float32
    close(tf.cast(outputs["first"], tf.float32), wide(x), share=2e-2)

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(model(x, training=True), tf.float32) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert {gradient.dtype for gradient in gradients} == {tf.float32}
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@needs_native
def test_both_paths_compute_bfloat16_alike(take, bfloat16):
    outputs = {}
    for path in ("native", "plain"):
        take(path)
        model = small_net()
        set_weights(model)
        outputs[path] = tf.cast(model(images(4, 12, 10, 3), training=True), tf.float32)
    close(outputs["native"], outputs["plain"], share=2e-2)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_trainable_keeps_its_statistics(take, path):
    take(path)
    x = images(4, 5, 6, 7)
    layer = BatchNormalization(relu=True)
    layer.build(x.shape)
    set_weights(layer)
    layer.trainable = False
    before = layer.get_weights()
    trained, inferred = layer(x, training=True), layer(x, training=False)
    assert np.array_equal(trained, inferred)
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), before, strict=True))
    layer.trainable = True
    assert not np.array_equal(layer(x, training=True), inferred)
    assert not np.array_equal(layer.get_weights()[2], before[2])


@pytest.mark.parametrize("frozen", [False, True], ids=["inference", "frozen"])
@normalisations
@pytest.mark.parametrize("path", PATHS)
def test_gradients_flow_through_moving_statistics(take, path, relu, has_residual, shape, frozen):
    """To what lies before a frozen layer in fine-tuning, and to the image in saliency maps."""
    take(path)
    mine = BatchNormalization(relu=relu, epsilon=1e-3)
    twin = KerasNormalisation(relu, epsilon=1e-3)
    mine.build(shape)
    twin.norm.build(shape)
    inputs = [images(*shape), images(*shape, seed=5)] if has_residual else [images(*shape)]
    found = []
    for layer in (mine, twin):
        set_weights(layer)
        layer.trainable = not frozen
        found.append(with_gradients(layer, inputs, training=frozen))
    all_close(*found)


def max_pooling(x, size, stride, padding):
    pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    x = np.pad(x, pads, constant_values=-np.inf)
    rows, columns = ((extent - size) // stride + 1 for extent in x.shape[1:3])
    return np.stack(
        [
            np.stack(
                [
                    x[:, r * stride : r * stride + size, c * stride : c * stride + size].max((1, 2))
                    for c in range(columns)
                ],
                axis=1,
            )
            for r in range(rows)
        ],
        axis=1,
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 3, 0)]
)
def test_max_pooling(size, stride, padding, jit_compile, dtype):
    x = nn_cases.to_dtype(images(2, 9, 10, 5) - 3.0, dtype)  # negative: padding is no value
    layer = MaxPooling2D(size, stride, padding, dtype=dtype)
    call = layer if jit_compile is None else tf.function(layer, jit_compile=jit_compile)
    y = call(tf.constant(x))
    assert y.dtype == dtype
    assert np.array_equal(y.numpy(), max_pooling(x, size, stride, padding))
    assert tuple(y.shape) == layer.compute_output_shape(x.shape)


@pytest.mark.parametrize("path", PATHS)
def test_tiles_take_the_gradient_that_windows_do(take, path):
    take(path)
    x = images(2, 7, 8, 5)
    with_tiles = with_gradients(MaxPooling2D(2), [x])
    all_close(with_tiles, with_gradients(keras.layers.MaxPooling2D(2), [x]))


@needs_native
def test_equal_greatest_values_of_a_tile_share_its_gradient():
    x = np.zeros((1, 2, 6, 1), np.float32)  # four equal values, then two, then one
    x[0, 0, 2:4], x[0, 1, 4] = 1.0, 1.0
    y, dx = with_gradients(MaxPooling2D(2), [x])
    dy = images(*y.shape, seed=2)[0, 0, :, 0]
    shares = np.float32([[1 / 4, 1 / 4, 1 / 2, 1 / 2, 0, 0], [1 / 4, 1 / 4, 0, 0, 1, 0]])
    assert np.array_equal(dx[0, :, :, 0], shares * dy.repeat(2))
    close(tf.reduce_sum(dx), dy.sum(dtype=np.float64))


@pytest.mark.parametrize("path", PATHS)
def test_normalisation_without_scale_equals_keras(take, path):
    take(path)
    mine = BatchNormalization(relu=True, momentum=0.8, epsilon=1e-3, scale=False)
    twin = KerasNormalisation(True, momentum=0.8, epsilon=1e-3, scale=False)
    mine.build((4, 5, 6, 7))
    twin.norm.build((4, 5, 6, 7))
    found, expected = (normalised(layer, (4, 5, 6, 7), False) for layer in (mine, twin))
    all_close(found, expected)


def test_unknown_sizes_are_refused():
    words = r"\[Conv2D\] expected images \[batch, height, width, channels\] of a known size, found"
    for shape in ((None, None, 3), (8, None, 3), (8, 8, None), (8, 3)):
        with pytest.raises(ValueError, match=words):
            Conv2D(8, 3)(keras.Input(shape))


def test_other_misfits_are_refused():
    with pytest.raises(ValueError, match=r"\[Conv2D\] expected padding .* found 'full'"):
        Conv2D(8, 3, padding="full")
    with pytest.raises(ValueError, match=r"\[Conv2D\] expected padding .* found -1"):
        Conv2D(8, 3, padding=-1)
    words = r"\[BatchNormalization\] expected a residual of shape .*found"
    with pytest.raises(ValueError, match=words):
        BatchNormalization()(keras.Input((4, 4, 8)), keras.Input((4, 4, 7)))


def keras_resnet(num_classes, image_shape):
    """lambda_fast.network.resnet32 with one block a stage, of nothing but Keras' layers."""

    def convolution(x, channels, stride):
        x = keras.layers.ZeroPadding2D(1)(x)
        return keras.layers.Conv2D(channels, 3, stride, use_bias=False)(x)

    def norm(x):
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    image = keras.Input(image_shape)
    x = keras.layers.ReLU()(norm(convolution(image, 16, 1)))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        shortcut = x
        if stride != 1:
            grown = channels // 4
            shortcut = keras.ops.pad(x[:, ::2, ::2, :], [[0, 0], [0, 0], [0, 0], [grown, grown]])
        x = keras.layers.ReLU()(norm(convolution(x, channels, stride)))
        x = norm(convolution(x, channels, 1))
        x = keras.layers.ReLU()(keras.layers.Add()([x, shortcut]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(num_classes)(x))


def inputter():
    data = tiny_run.tiny_load("train")
    order = Order(samples=len(data.images), batch_size=16, seed=0, shuffle=True, complete=False)
    return InMemoryInputter(data.images, data.labels, data.class_names, order)


@needs_native
def test_training_stays_with_keras_layers(monkeypatch, take):
    """Twenty steps of three networks from the same weights, on the same batches.

    The rate is low because rounding grows from step to step, where it moves pixels across a ReLU's
    kink: at 0.01, Keras' layers and the plain path part by 5e-4 themselves.
    """
    monkeypatch.setattr(resnet32, "BLOCKS_PER_STAGE", 1)
    base = recipe("cifar10")
    options = {"precision": "float32", "schedule": "constant", "warmup_epochs": 0.0}
    modeler = dataclasses.replace(base.modeler, learning_rate=0.001, **options)
    config = dataclasses.replace(base, batch_size_per_gpu=16, modeler=modeler)
    feed = inputter()

    def twenty_steps(path, net, weights=None):
        take(path)
        modeler = ImageClassificationModeler(config, feed, "train", net(10, (32, 32, 3)))
        if weights is not None:
            modeler.model.set_weights(weights)
        first = modeler.model.get_weights()
        batches = [feed.batch(*divmod(step, feed.steps_per_epoch)) for step in range(20)]
        losses = [float(modeler.train_step(batch)["loss"]) for batch in batches]
        return first, losses, modeler.model.get_weights()

    def norm(arrays, dimensions):
        return np.sqrt(sum((a**2).sum() for a in arrays if a.ndim in dimensions))

    keras.utils.set_random_seed(3)
    first, losses, weights = twenty_steps("native", resnet32.net)
    changes = [a - b for a, b in zip(weights, first, strict=True)]
    for path, net in (("plain", resnet32.net), ("plain", keras_resnet)):
        _, other_losses, other_weights = twenty_steps(path, net, first)
        np.testing.assert_allclose(other_losses, losses, rtol=1e-4)
        errors = [a - b for a, b in zip(weights, other_weights, strict=True)]
        for dimensions in ((1,), (2, 4)):  # values of a channel, kernels
            assert norm(errors, dimensions) <= 1e-4 * norm(weights, dimensions)
            assert norm(errors, dimensions) <= 2e-2 * norm(changes, dimensions)
