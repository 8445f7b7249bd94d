"""LambdaFast>Conv2D and its gradients equal plain sums, in every mode, and refuse what is wrong."""

import functools

import nn_cases
import nn_reference
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast import native
from lambda_fast.network import layers  # registers the gradients

CASES = nn_cases.CONVOLUTIONS
INVALID = tf.errors.InvalidArgumentError
needs_bfloat16 = pytest.mark.skipif(
    not nn_cases.has_bfloat16_convolution(), reason="oneDNN has bfloat16 with AVX-512 alone"
)
DTYPES = ["float32", pytest.param("bfloat16", marks=needs_bfloat16)]
# One for oneDNN, and one for each of our own kernels.
FEW = ["same_odd", "asymmetric", "narrow_13", "pairs_48"]

pytestmark = pytest.mark.skipif(
    not layers.has_native_kernels(), reason="a build without oneDNN, or a machine with a GPU"
)


def within(found, expected, dtype):
    """Rounding of sums in float32, and then of each value to bfloat16."""
    found, bound = np.asarray(found, np.float64), 1e-5 * np.abs(expected).max(initial=0)
    assert found.shape == expected.shape
    if dtype == "bfloat16":
        bound = bound + np.abs(expected) * 2**-8
    assert (np.abs(found - expected) <= bound).all(), np.abs(found - expected).max()


@functools.cache
def eager(name, dtype):
    results = nn_cases.convolution_results(
        *nn_cases.convolution_inputs(name, dtype), **CASES[name].options()
    )
    return [result.numpy() for result in results]


def bytes_of(results):
    return [np.asarray(result).tobytes() for result in results]


def compiled(options, signature=None, jit_compile=False):
    def function(x, kernel, dy):
        return nn_cases.convolution_results(x, kernel, dy, **options)

    return tf.function(function, input_signature=signature, jit_compile=jit_compile)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_it_equals_the_reference(name, dtype):
    x, kernel, dy = nn_cases.convolution_inputs(name, dtype)
    options = CASES[name].options()
    y, dx, dkernel = eager(name, dtype)
    assert y.dtype == dx.dtype == x.dtype
    assert dkernel.dtype == np.float32
    kernel = nn_reference.rounded(kernel, dtype)
    within(y, nn_reference.convolve(x, kernel, **options), dtype)
    within(dx, nn_reference.convolve_backward_input(x.shape, kernel, dy, **options), dtype)
    expected = nn_reference.convolve_backward_kernel(x, kernel.shape, dy, **options)
    within(dkernel, expected, "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", CASES)
def test_graphs_and_xla_give_the_bits_of_eager_mode(name, jit_compile, dtype):
    inputs = nn_cases.convolution_inputs(name, dtype)
    found = compiled(CASES[name].options(), jit_compile=jit_compile)(*map(tf.constant, inputs))
    assert bytes_of(found) == bytes_of(eager(name, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", FEW)
def test_shapes_that_the_graph_does_not_know(name, jit_compile, dtype):
    inputs = nn_cases.convolution_inputs(name, dtype)
    for rank in (4, None):
        shape = None if rank is None else [None] * rank
        signature = [tf.TensorSpec(shape, kind) for kind in (dtype, tf.float32, dtype)]
        function = compiled(CASES[name].options(), signature, jit_compile)
        assert bytes_of(function(*map(tf.constant, inputs))) == bytes_of(eager(name, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("name", FEW)
def test_the_gradients_are_registered(name, jit_compile, dtype):
    options = CASES[name].options()

    def gradients(x, kernel, dy):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = native.ops().lambda_fast_conv2d(input=x, kernel=kernel, **options)
        return tape.gradient(y, [x, kernel], dy)

    if jit_compile is not None:
        gradients = tf.function(gradients, jit_compile=jit_compile)
    found = gradients(*map(tf.constant, nn_cases.convolution_inputs(name, dtype)))
    assert bytes_of(found) == bytes_of(eager(name, dtype)[1:])


def sums(x, kernel, dy, dshortcut, options):
    """Gradients of the input and the kernel, where the input also goes past the convolution."""
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y, same = native.ops().lambda_fast_conv2d_and_input(input=x, kernel=kernel, **options)
    return (y, same, *tape.gradient([y, same], [x, kernel], [dy, dshortcut]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("name", [*FEW, "batch_70", "pointwise"])
def test_a_shortcuts_gradient_is_added(name, jit_compile, dtype):
    case = CASES[name]
    x, kernel, dy = nn_cases.convolution_inputs(name, dtype)
    dshortcut = nn_cases.to_dtype(nn_cases.generator(name, "add").normal(size=x.shape), dtype)
    function = functools.partial(sums, options=case.options())
    if jit_compile is not None:
        function = tf.function(function, jit_compile=jit_compile)
    y, same, dx, dkernel = function(*map(tf.constant, (x, kernel, dy, dshortcut)))
    assert bytes_of((y, dkernel)) == bytes_of((eager(name, dtype)[0], eager(name, dtype)[2]))
    assert same.numpy().tobytes() == x.tobytes()
    kernel = nn_reference.rounded(kernel, dtype)
    alone = nn_reference.convolve_backward_input(x.shape, kernel, dy, **case.options())
    expected = alone + np.asarray(dshortcut, np.float64)
    if dtype == "float32":
        within(dx, expected, dtype)
    else:  # some kernels round the convolution's part first
        error = np.abs(np.asarray(dx, np.float64) - expected)
        bound = 1e-5 * np.abs(alone).max() + (np.abs(alone) + np.abs(expected)) * 2**-8
        assert (error <= bound).all(), error.max()


@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
def test_an_addend_of_another_shape_is_refused(jit_compile):
    def function(x, kernel, dy, addend):
        return native.ops().lambda_fast_conv2d_backprop_input_add(
            x, kernel, dy, addend, strides=STEP, padding=PAD
        )

    shapes = ([2, 5, 6, 3], [3, 3, 3, 8], [2, 5, 6, 8], [2, 5, 6, 4])
    if jit_compile is None:
        with refused(INVALID, "an addend"):
            function(*map(tf.zeros, shapes))
        return
    with refused(ValueError, "an addend"):
        traced(function, shapes, jit_compile).get_concrete_function()
    unknown = traced(function, [None] * 4, jit_compile)
    with refused(INVALID, "an addend"):
        unknown(*map(tf.zeros, shapes))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*FEW, "batch_69", "batch_70", "channels_130"])
def test_the_same_call_gives_the_same_bits(name, dtype):
    inputs = nn_cases.convolution_inputs(name, dtype)
    for _ in range(3):
        again = nn_cases.convolution_results(*inputs, **CASES[name].options())
        assert bytes_of(again) == bytes_of(eager(name, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FEW)
def test_an_image_depends_on_no_other_image(name, dtype):
    case = CASES[name]
    x, kernel, dy = nn_cases.convolution_inputs(name, dtype)
    rng = nn_cases.generator(name, "others")
    x2, dy2 = (nn_cases.to_dtype(rng.normal(size=value.shape), dtype) for value in (x, dy))
    x2[1], dy2[1] = x[1], dy[1]
    y, dx, _ = nn_cases.convolution_results(x2, kernel, dy2, **case.options())
    assert y.numpy()[1].tobytes() == eager(name, dtype)[0][1].tobytes()
    assert dx.numpy()[1].tobytes() == eager(name, dtype)[1][1].tobytes()


def in_tiles(case):
    """Whether one of our kernels may take it that computes several outputs from common terms."""
    channels = case.x[3] % 16 == 0 and case.filters % 16 == 0
    return case.kernel == (3, 3) and case.strides == STEP and channels


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["pointwise_strided", *FEW, "batch_70"])
def test_what_is_not_finite_stays_where_it_is_seen(name, value, dtype):
    """Other images keep their bits; of its own, the outputs are spoilt whose windows see it.

    Its other outputs keep their bits as well, unless they are computed in tiles: there, the last
    bit of one may depend on all that its tile sees.
    """
    case = CASES[name]
    x, kernel, dy = nn_cases.convolution_inputs(name, dtype)
    place = (1, 2, 4, 0)  # of an input that a window sees with every stride
    x[place], dy[1, 1, 2, 0] = value, value
    y, dx, _ = nn_cases.convolution_results(x, kernel, dy, **case.options())
    ones = np.ones_like(kernel)
    marks, dmarks = np.zeros(x.shape), np.zeros(dy.shape)
    marks[place], dmarks[1, 1, 2, 0] = 1, 1
    seen = nn_reference.convolve(marks, ones, **case.options()) != 0
    dseen = nn_reference.convolve_backward_input(x.shape, ones, dmarks, **case.options()) != 0
    assert seen.any() and dseen.any()
    for found, plain, spoilt in (
        (y, eager(name, dtype)[0], seen),
        (dx, eager(name, dtype)[1], dseen),
    ):
        found = found.numpy()
        assert np.array_equal(~np.isfinite(found), spoilt)
        if in_tiles(case):
            others = np.arange(len(found)) != place[0]
            assert found[others].tobytes() == plain[others].tobytes()
            within(found[~spoilt], np.asarray(plain, np.float64)[~spoilt], dtype)
        else:
            assert found[~spoilt].tobytes() == plain[~spoilt].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("name", FEW)
def test_no_images(name, jit_compile, dtype):
    x, kernel, dy = nn_cases.convolution_inputs(name, dtype)
    function = functools.partial(nn_cases.convolution_results, **CASES[name].options())
    if jit_compile is not None:
        function = tf.function(function, jit_compile=jit_compile)
    y, dx, dkernel = function(tf.constant(x[:0]), tf.constant(kernel), tf.constant(dy[:0]))
    assert y.shape == dy[:0].shape
    assert dx.shape == x[:0].shape
    assert dkernel.shape == kernel.shape
    assert not dkernel.numpy().any()


@pytest.mark.skipif(nn_cases.has_bfloat16_convolution(), reason="this machine has it")
@pytest.mark.parametrize("name", FEW)
def test_bfloat16_without_avx512_is_refused(name):
    x, kernel, dy = nn_cases.convolution_inputs(name, "bfloat16")
    options = CASES[name].options()
    ops = native.ops()
    words = r"\[conv2d\] expected a convolution that oneDNN has for this CPU; found its error"
    with pytest.raises(tf.errors.UnavailableError, match=words):
        ops.lambda_fast_conv2d(input=x, kernel=kernel, **options)
    with pytest.raises(tf.errors.UnavailableError, match=words):
        ops.lambda_fast_conv2d_backprop_input(x, kernel, dy, **options)
    with pytest.raises(tf.errors.UnavailableError, match=words):
        ops.lambda_fast_conv2d_backprop_filter(x, kernel, dy, **options)


def inferred(x, kernel, strides=(2, 1), padding=(1, 1, 0, 0)):
    signature = [tf.TensorSpec(x, tf.float32), tf.TensorSpec(kernel, tf.float32)]
    function = tf.function(
        lambda x, kernel: native.ops().lambda_fast_conv2d(
            input=x, kernel=kernel, strides=strides, padding=padding
        ),
        input_signature=signature,
    )
    return function.get_concrete_function().outputs[0].shape.as_list()


def test_shapes_are_inferred():
    assert inferred([None, 9, 8, 3], [3, 3, 3, 16]) == [None, 5, 6, 16]
    assert inferred([7, 9, 8, None], [3, 3, 3, 16]) == [7, 5, 6, 16]
    assert inferred([7, None, 8, 3], [3, 3, 3, 16]) == [7, None, 6, 16]
    assert inferred([7, 9, 8, 3], [3, None, 3, None]) == [7, 5, None, None]
    assert inferred(None, None) == [None] * 4


# Shapes of the input, the kernel and the gradient; strides and padding; what the error says.
GOOD = [2, 5, 6, 3], [3, 3, 3, 8]
STEP, PAD = (1, 1), (1, 1, 1, 1)
BAD_FORWARD = {
    "rank_3": ([5, 6, 3], GOOD[1], STEP, PAD, r"an input \[batch, height, width, channels\]"),
    "rank_5": ([1, 2, 5, 6, 3], GOOD[1], STEP, PAD, r"an input \[batch, height, width, channels\]"),
    "kernel_of_rank_3": (GOOD[0], [3, 3, 8], STEP, PAD, r"a kernel \[height, width, in_channels"),
    "channels": ([2, 5, 6, 4], GOOD[1], STEP, PAD, "an input of 3 channels"),
    "kernel_too_high": (GOOD[0], [8, 3, 3, 8], STEP, PAD, "no smaller than the kernel"),
    "kernel_too_wide": (GOOD[0], [3, 7, 3, 8], STEP, (0, 0, 0, 0), "no smaller than the kernel"),
    "negative_padding": (*GOOD, STEP, (1, 1, -1, 1), "padding of at least 0"),
    "padding_of_2": (*GOOD, STEP, (1, 1), r"padding \[top, bottom, left, right\]"),
    "stride_0": (*GOOD, (1, 0), PAD, "two strides of at least 1"),
    "strides_of_4": (*GOOD, (1, 1, 1, 1), PAD, "two strides of at least 1"),
    "no_pixels": ([2, 0, 6, 3], GOOD[1], STEP, PAD, "images of at least one pixel"),
    "no_filters": (GOOD[0], [3, 3, 3, 0], STEP, PAD, "a kernel without empty dimensions"),
}
BAD_GRADIENTS = {
    "batch": [3, 5, 6, 8],
    "height": [2, 6, 6, 8],
    "width": [2, 5, 5, 8],
    "channels": [2, 5, 6, 9],
    "rank": [2, 5, 6, 8, 1],
}


def refused(error, words):
    return pytest.raises(error, match=rf"(?s)\[conv2d\] expected .*{words}.*; found ")


def traced(function, shapes, jit_compile=False):
    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function, input_signature=signature, jit_compile=jit_compile)


@pytest.mark.parametrize(
    ("x", "kernel", "strides", "padding", "words"), BAD_FORWARD.values(), ids=BAD_FORWARD
)
class TestWhatDoesNotFit:
    def call(self, strides, padding):
        return lambda x, kernel: native.ops().lambda_fast_conv2d(
            input=x, kernel=kernel, strides=strides, padding=padding
        )

    def test_eager(self, x, kernel, strides, padding, words):
        with refused(INVALID, words):
            self.call(strides, padding)(tf.zeros(x), tf.zeros(kernel))

    def test_while_a_graph_is_built(self, x, kernel, strides, padding, words):
        with refused(ValueError, words):
            traced(self.call(strides, padding), [x, kernel]).get_concrete_function()

    @pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
    def test_where_the_graph_knows_no_shape(self, x, kernel, strides, padding, words, jit_compile):
        # Attributes alone may be wrong while the graph is built.
        with refused((INVALID, ValueError), words):
            function = traced(self.call(strides, padding), [None, None], jit_compile)
            function(tf.zeros(x), tf.zeros(kernel))


@pytest.mark.parametrize("which", ["input", "filter"])
@pytest.mark.parametrize("dy", BAD_GRADIENTS.values(), ids=BAD_GRADIENTS)
class TestGradientsThatDoNotFit:
    words = "an output gradient of"

    def call(self, which):
        op = getattr(native.ops(), f"lambda_fast_conv2d_backprop_{which}")
        return lambda x, kernel, dy: op(x, kernel, dy, strides=STEP, padding=PAD)

    def test_eager(self, which, dy):
        with refused(INVALID, self.words):
            self.call(which)(tf.zeros(GOOD[0]), tf.zeros(GOOD[1]), tf.zeros(dy))

    def test_while_a_graph_is_built(self, which, dy):
        with refused(ValueError, self.words):
            traced(self.call(which), [*GOOD, dy]).get_concrete_function()

    @pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
    def test_where_the_graph_knows_no_shape(self, which, dy, jit_compile):
        function = traced(self.call(which), [None] * 3, jit_compile)
        with refused(INVALID, self.words):
            function(*(tf.zeros(shape) for shape in (*GOOD, dy)))


def test_half_known_shapes_are_refused_while_a_graph_is_built():
    with pytest.raises(ValueError, match=r"\[conv2d\] expected an input of 3 channels"):
        inferred([None, None, None, 4], [3, 3, 3, 8])
    with pytest.raises(ValueError, match="no smaller than the kernel"):
        inferred([None, None, 6, 3], [3, 7, 3, 8])


def test_other_dtypes():
    x, kernel = tf.zeros(GOOD[0], tf.float16), tf.zeros(GOOD[1])
    with pytest.raises((TypeError, INVALID), match=r"half|float16"):
        native.ops().lambda_fast_conv2d(input=x, kernel=kernel, strides=STEP, padding=PAD)
    x, kernel = tf.zeros(GOOD[0], tf.bfloat16), tf.zeros(GOOD[1], tf.bfloat16)
    with pytest.raises((TypeError, INVALID), match="bfloat16"):
        native.ops().lambda_fast_conv2d(input=x, kernel=kernel, strides=STEP, padding=PAD)
