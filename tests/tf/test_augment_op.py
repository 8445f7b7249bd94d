"""LambdaFast>Augment gives one answer eagerly, in graphs, tf.data, XLA programs and numpy."""

import augment_cases
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast import native
from lambda_fast.augmenter.augment import augment, augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

KEY = augment_cases.SEED, augment_cases.EPOCH
DTYPES = ["float32", "bfloat16"]
# Each field of the spec is away from its default in one of these at least.
NAMES = [
    "as_it_is",
    "random_grey",
    "reflect",
    "flip_alternate",
    "cifar",
    "rand",
    "rand_grey",
    "trivial",
    "scaled",
    "channels_colours",
    "resized_up",
    "resized_fallback",
    "resized_image",
    "one_pixel",
    "no_images",
]
SCALAR = tf.TensorSpec([], tf.int64)


def eager(images, ids, spec, dtype):
    return augment(tf.constant(images), tf.constant(ids), *KEY, spec, dtype)


def graph(images, ids, spec, dtype):
    return tf.function(augment)(tf.constant(images), tf.constant(ids), *KEY, spec, dtype)


def xla(images, ids, spec, dtype):
    function = tf.function(augment, jit_compile=True)
    return function(tf.constant(images), tf.constant(ids), *KEY, spec, dtype)


def unknown_shapes(images, ids, spec, dtype):
    return function_of(spec, [None] * 4, [None], dtype)(images, ids, *KEY)


def unknown_ranks_xla(images, ids, spec, dtype):
    return function_of(spec, None, None, dtype, jit_compile=True)(images, ids, *KEY)


def dataset(images, ids, spec, dtype):
    """In batches of two, on two threads."""
    samples = tf.data.Dataset.from_tensor_slices((images, ids)).batch(2)
    batches = samples.map(lambda i, s: augment(i, s, *KEY, spec, dtype), num_parallel_calls=2)
    size = [spec.height or images.shape[1], spec.width or images.shape[2], images.shape[3]]
    return tf.concat([tf.zeros([0, *size], dtype), *batches], 0)


PATHS = [eager, graph, xla, unknown_shapes, unknown_ranks_xla, dataset]


def function_of(spec, images, ids, dtype="float32", jit_compile=False):
    """The augmenter as a tf.function of images and ids of these static shapes."""
    signature = [tf.TensorSpec(images, tf.uint8), tf.TensorSpec(ids, tf.int64), SCALAR, SCALAR]
    return tf.function(
        lambda *inputs: augment(*inputs, spec, dtype),
        input_signature=signature,
        jit_compile=jit_compile,
    )


def inferred(spec, images, ids=(None,)):
    return function_of(spec, images, ids).get_concrete_function().outputs[0].shape.as_list()


def test_the_names_cover_the_spec():
    default, touched = AugmentSpec().fields(), set()
    for name in NAMES:
        spec = AugmentSpec(**augment_cases.CASES[name][1]).fields()
        touched |= {field for field in spec if spec[field] != default[field]}
    assert touched == set(default) - {"aspect"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_every_path_gives_the_bytes_of_numpy(name, path, dtype):
    images, ids = augment_cases.inputs(name)
    spec = AugmentSpec(**augment_cases.CASES[name][1])
    found = path(images, ids, spec, dtype)
    expected = augment_numpy(images, ids, *KEY, spec, dtype)
    assert found.dtype == dtype
    assert found.shape == expected.shape
    assert found.numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("path", [eager, xla])
def test_attributes_bring_floats_back_exactly(path):
    # Numbers with no short decimal form, and those at the ends of their ranges.
    third = float(np.float32(1 / 3))
    spec = AugmentSpec(
        crop="random_resized",
        area=(0.0001, third),
        aspect=(0.010000001, 99.99999),
        flip=float(np.nextafter(np.float32(1), np.float32(0))),
        brightness=third,
        contrast=(third, 1.1),
        saturation=(0.1, float(np.nextafter(np.float32(100), np.float32(0)))),
        normalize="channels",
        mean=(-3.4e38, 1e-30, third),
        std=(1e-6, 1e30, third),
    )
    images, ids = augment_cases.inputs("as_it_is")
    found = path(images, ids, spec, "float32").numpy()
    assert found.tobytes() == augment_numpy(images, ids, *KEY, spec).tobytes()


@pytest.mark.parametrize("path", [eager, graph, xla])
@pytest.mark.parametrize("cut", [1, 3])
def test_any_split_of_the_batch(path, cut):
    images, ids = augment_cases.inputs("cifar")
    spec = AugmentSpec(**augment_cases.CASES["cifar"][1])
    parts = [slice(None, cut), slice(cut, None)]
    split = [path(images[part], ids[part], spec, "float32") for part in parts]
    whole = path(images, ids, spec, "float32")
    assert tf.concat(split, 0).numpy().tobytes() == whole.numpy().tobytes()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_another_seed_epoch_or_id_traces_nothing_again(jit_compile):
    spec = AugmentSpec(**augment_cases.CASES["cifar"][1])
    images, _ = augment_cases.inputs("cifar")
    function = tf.function(lambda *inputs: augment(*inputs, spec), jit_compile=jit_compile)
    for ids, seed, epoch in (([0] * 5, 0, 0), ([5] * 5, 1, 2**32 - 1), ([-1] * 5, -(2**63), 7)):
        inputs = [tf.constant(value, tf.int64) for value in (ids, seed, epoch)]
        found = function(tf.constant(images), *inputs).numpy()
        expected = augment_numpy(images, np.array(ids), seed, epoch, spec)
        assert found.tobytes() == expected.tobytes()
    assert function.experimental_get_tracing_count() == 1


def test_shapes_are_inferred():
    as_it_is, sized = AugmentSpec(), AugmentSpec(height=3, width=5)
    assert inferred(as_it_is, [None, 8, 9, 3]) == [None, 8, 9, 3]
    assert inferred(as_it_is, [None] * 4) == [None] * 4
    assert inferred(as_it_is, None, None) == [None] * 4
    assert inferred(sized, [None, 8, 9, 3]) == [None, 3, 5, 3]
    assert inferred(sized, [None, None, None, 1]) == [None, 3, 5, 1]
    assert inferred(AugmentSpec(height=3), [7, 8, 9, 3]) == [7, 3, 9, 3]
    assert inferred(as_it_is, [None, 8, 9, 3], [6]) == [6, 8, 9, 3]  # the ids know the batch


def test_the_step_stays_one_xla_program():
    spec = AugmentSpec(**augment_cases.CASES["cifar"][1])

    @tf.function(jit_compile=True)
    def step(images, ids, weights):
        return tf.nn.relu(tf.nn.conv2d(augment(images, ids, *KEY, spec), weights, 1, "SAME")) * 2.0

    images, ids = augment_cases.inputs("cifar")
    weights = tf.ones([3, 3, 3, 4])
    text = step.experimental_get_compiler_ir(images, ids, weights)(stage="optimized_hlo")
    assert text.count("HloModule") == 1
    assert text.count("ENTRY") == 1
    assert text.count('custom_call_target="lf_augment"') == 1
    call = next(line for line in text.splitlines() if "lf_augment" in line)
    assert "f32[5,32,32,3]{3,2,1,0}" in call.split("custom-call")[0]
    assert "API_VERSION_TYPED_FFI" in call
    expected = augment_numpy(images, ids, *KEY, spec)
    expected = tf.nn.relu(tf.nn.conv2d(expected, weights, 1, "SAME")) * 2.0
    np.testing.assert_allclose(step(images, ids, weights), expected, rtol=1e-4, atol=1e-4)


def test_attributes_have_the_specs_defaults():
    images, ids = augment_cases.inputs("as_it_is")
    bare = native.ops().lambda_fast_augment(images=images, sample_ids=ids, seed=0, epoch=0)
    assert bare.numpy().tobytes() == augment_numpy(images, ids, 0, 0, AugmentSpec()).tobytes()
    resized = {"crop": "random_resized"}
    bare = native.ops().lambda_fast_augment(
        images=images, sample_ids=ids, seed=0, epoch=0, **resized
    )
    expected = augment_numpy(images, ids, 0, 0, AugmentSpec(**resized))
    assert bare.numpy().tobytes() == expected.tobytes()
