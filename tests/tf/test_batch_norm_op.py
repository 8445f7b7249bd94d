"""LambdaFast>BatchNorm, its inference and gradient equal their definitions and refuse misfits."""

import functools
import itertools

import nn_cases
import nn_reference
import numpy as np
import pytest
import tensorflow as tf

from lambda_fast import native
from lambda_fast.network import layers  # registers the gradient

CASES = nn_cases.NORMALISATIONS
EPSILON = nn_cases.EPSILON
DTYPES = nn_cases.DTYPES
INVALID = tf.errors.InvalidArgumentError
KINDS = list(itertools.product([False, True], [False, True]))  # residual, relu
FEW = ["one_row", "channels_3", "channels_24", "channels_64", "channels_100"]

pytestmark = pytest.mark.skipif(
    not layers.has_native_kernels(), reason="a build without oneDNN, or a machine with a GPU"
)
every_kind = pytest.mark.parametrize(
    ("has_residual", "relu"), KINDS, ids=["plain", "relu", "residual", "residual_relu"]
)


def within(found, expected, dtype="float32", scale=None, share=1e-5):
    """Rounding in float32, and then of each value to bfloat16.

    scale: of the terms that were added, one for each channel; none: the greatest result.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    bound = share * (np.abs(expected).max(initial=0) if scale is None else scale)
    if dtype == "bfloat16":
        bound = bound + np.abs(expected) * 2**-8
    assert (np.abs(found - expected) <= bound).all(), np.abs(found - expected).max()


@functools.cache
def eager(name, dtype, has_residual, relu):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    results = nn_cases.normalisation_results(**inputs, has_residual=has_residual, relu=relu)
    return [result.numpy() for result in results]


def bytes_of(results):
    return [np.asarray(result).tobytes() for result in results]


def axes(x):
    return tuple(range(x.ndim - 1))


@pytest.mark.parametrize("dtype", DTYPES)
@every_kind
@pytest.mark.parametrize("name", CASES)
def test_it_equals_the_reference(name, has_residual, relu, dtype):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    x, dy, scale, offset = (inputs[key] for key in ("x", "dy", "scale", "offset"))
    residual = inputs["residual"].astype(np.float64) if has_residual else None
    y, mean, variance, dx, dscale, doffset, *dresidual, inference = eager(
        name, dtype, has_residual, relu
    )
    assert y.dtype == dx.dtype == inference.dtype == x.dtype
    assert mean.dtype == variance.dtype == dscale.dtype == doffset.dtype == np.float32

    expected, own_mean, own_variance = nn_reference.batch_norm(
        x, scale, offset, EPSILON, residual, relu
    )
    within(y, expected, dtype)
    within(mean, own_mean)
    within(variance, own_variance, scale=np.abs(own_variance).max() + 1e-9)

    gradients = nn_reference.batch_norm_backward(dy, x, y, scale, EPSILON, relu)
    gain = np.abs(scale) / np.sqrt(own_variance + EPSILON)
    terms = np.abs(gradients[3]).max(axis=axes(x))
    within(dx, gradients[0], dtype, scale=gain * terms)
    within(dscale, gradients[1], scale=np.abs(gradients[1]).max() + terms.max())
    within(doffset, gradients[2], scale=np.abs(gradients[2]).max() + terms.max())
    if has_residual:
        assert dresidual[0].tobytes() == nn_cases.to_dtype(gradients[3], dtype).tobytes()

    expected = nn_reference.normalise(
        x, scale, offset, inputs["mean"], inputs["variance"], EPSILON, residual, relu
    )
    within(inference, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@every_kind
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", CASES)
def test_graphs_and_xla_give_the_bits_of_eager_mode(name, jit_compile, has_residual, relu, dtype):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    function = tf.function(
        lambda values: nn_cases.normalisation_results(
            **values, has_residual=has_residual, relu=relu
        ),
        jit_compile=jit_compile,
    )
    found = function({key: tf.constant(value) for key, value in inputs.items()})
    assert bytes_of(found) == bytes_of(eager(name, dtype, has_residual, relu))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", FEW)
def test_shapes_that_the_graph_does_not_know(name, jit_compile, dtype):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    signature = {key: tf.TensorSpec(None, tf.as_dtype(v.dtype)) for key, v in inputs.items()}
    function = tf.function(
        lambda values: nn_cases.normalisation_results(**values, has_residual=True, relu=True),
        input_signature=[signature],
        jit_compile=jit_compile,
    )
    found = function({key: tf.constant(value) for key, value in inputs.items()})
    assert bytes_of(found) == bytes_of(eager(name, dtype, True, True))


@pytest.mark.parametrize("dtype", DTYPES)
@every_kind
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
def test_the_gradient_is_registered(jit_compile, has_residual, relu, dtype):
    inputs = nn_cases.normalisation_inputs("channels_24", dtype)
    watched = [inputs[key] for key in ("x", "scale", "offset", "residual")]
    watched = [tf.constant(value) for value in watched[: 4 if has_residual else 3]]

    def gradients(watched, dy):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            x, scale, offset, *residuals = watched
            y, _, _ = native.ops().lambda_fast_batch_norm(
                x, scale, offset, residuals, EPSILON, relu
            )
        return tape.gradient(y, watched, dy)

    if jit_compile is not None:
        gradients = tf.function(gradients, jit_compile=jit_compile)
    found = gradients(watched, tf.constant(inputs["dy"]))
    expected = eager("channels_24", dtype, has_residual, relu)[3:-1]
    assert bytes_of(found) == bytes_of(expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FEW)
def test_the_same_call_gives_the_same_bits(name, dtype):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    for _ in range(3):
        again = nn_cases.normalisation_results(**inputs, has_residual=True, relu=True)
        assert bytes_of(again) == bytes_of(eager(name, dtype, True, True))


@pytest.mark.parametrize("name", CASES)
def test_a_mean_far_from_zero(name):
    """One pass over sums of squares would lose the variance altogether."""
    inputs = nn_cases.normalisation_inputs(name, "float32")
    rng = nn_cases.generator(name, "far")
    x = (1000.0 + rng.normal(size=CASES[name])).astype(np.float32)
    scale, offset, dy = (inputs[key] for key in ("scale", "offset", "dy"))
    inputs["x"] = x
    y, mean, variance, dx, dscale, doffset, _ = nn_cases.normalisation_results(
        **inputs, has_residual=False, relu=False
    )
    expected, own_mean, own_variance = nn_reference.batch_norm(x, scale, offset, EPSILON)
    within(mean, own_mean, share=2e-6)
    within(variance, own_variance, share=1e-4)
    gain = np.abs(scale) / np.sqrt(own_variance + EPSILON)
    # By as much as the mean is off.
    within(y, expected, scale=gain + 1, share=2e-3)
    gradients = nn_reference.batch_norm_backward(dy, x, y, scale, EPSILON)
    within(dx, gradients[0], scale=gain * np.abs(dy).max(axis=axes(x)), share=2e-3)
    sums = np.abs(dy).sum(axis=axes(x)) / np.sqrt(own_variance + EPSILON)
    within(dscale, gradients[1], scale=sums, share=2e-3)
    within(doffset, gradients[2], scale=np.abs(dy).sum(axis=axes(x)), share=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_channel(dtype):
    x = nn_cases.to_dtype(np.full([2, 50, 61, 3], 0.1), dtype)
    offset = np.array([1.0, -1.0, 0.5], np.float32)
    y, mean, variance = native.ops().lambda_fast_batch_norm(
        x, tf.ones(3), offset, [], EPSILON, False
    )
    within(mean, np.full(3, float(x[0, 0, 0, 0])), share=3e-5)  # a sum that always rounds up
    assert (variance.numpy() >= 0).all()
    assert (variance.numpy() <= 1e-9).all()
    within(y, np.broadcast_to(offset, x.shape), dtype, share=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@every_kind
@pytest.mark.parametrize("name", ["channels_3", "channels_24", "channels_64", "channels_100"])
def test_nan_stays_nan(name, has_residual, relu, dtype):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    place = (1,) * (len(CASES[name]) - 1) + (2,)
    inputs["x"][place] = np.nan
    y, mean, variance, *_, inference = nn_cases.normalisation_results(
        **inputs, has_residual=has_residual, relu=relu
    )
    plain = eager(name, dtype, has_residual, relu)
    others = np.arange(CASES[name][-1]) != 2
    for found, expected in ((y, plain[0]), (mean, plain[1]), (variance, plain[2])):
        assert np.isnan(found.numpy()[..., 2]).all()
        assert found.numpy()[..., others].tobytes() == expected[..., others].tobytes()
    assert np.argwhere(np.isnan(inference.numpy())).tolist() == [list(place)]
    clean = ~np.isnan(inference.numpy())
    assert inference.numpy()[clean].tobytes() == plain[-1][clean].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("name", ["channels_3", "channels_100"])
def test_nan_and_infinity_of_a_residual_stay(name, relu, dtype):
    inputs = nn_cases.normalisation_inputs(name, dtype)
    flat = inputs["residual"].reshape(-1)
    flat[[3, 50, 77]] = [np.nan, np.inf, -np.inf]
    results = nn_cases.normalisation_results(**inputs, has_residual=True, relu=relu)
    for found in (results[0], results[-1]):
        found = found.numpy().reshape(-1)
        assert np.isnan(found[3])
        assert found[50] == np.inf
        assert found[77] == (0 if relu else -np.inf)
        assert np.isfinite(found).sum() == found.size - (2 if relu else 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
def test_inference_of_no_rows(jit_compile, dtype):
    def function(x, values):
        return native.ops().lambda_fast_batch_norm_inference(x, *[values] * 4, [x], EPSILON, True)

    if jit_compile is not None:
        function = tf.function(function, jit_compile=jit_compile)
    assert function(tf.zeros([0, 4, 5, 3], dtype), tf.ones(3)).shape == [0, 4, 5, 3]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
def test_statistics_of_no_rows_are_refused(jit_compile, dtype):
    def function(x, values):
        return native.ops().lambda_fast_batch_norm(x, values, values, [], EPSILON, True)

    if jit_compile is not None:
        function = tf.function(function, jit_compile=jit_compile)
    with refused(INVALID, "at least one row"):
        function(tf.zeros([0, 4, 5, 3], dtype), tf.ones(3))


def test_shapes_are_inferred():
    def inferred(x, parameter, residuals):
        signature = [tf.TensorSpec(x, tf.float32), tf.TensorSpec(parameter, tf.float32)]
        function = tf.function(
            lambda x, p: native.ops().lambda_fast_batch_norm(
                x, p, p, [x] * residuals, EPSILON, False
            ),
            input_signature=signature,
        )
        return [o.shape for o in function.get_concrete_function().outputs]

    assert inferred([None, 4, 5, 3], [3], 0) == [[None, 4, 5, 3], [3], [3]]
    assert inferred([None, 4, 5, None], [3], 1) == [[None, 4, 5, 3], [3], [3]]
    assert inferred([None, 4, 5, 3], None, 1) == [[None, 4, 5, 3], [3], [3]]
    output, mean, variance = inferred(None, None, 0)
    assert output.rank is None
    assert mean.as_list() == variance.as_list() == [None]


def refused(error, words):
    return pytest.raises(error, match=rf"(?s)\[batch_norm\] expected .*{words}.*; found ")


IMAGE, VALUES = [2, 4, 5, 3], [3]


def forward(x, scale, offset, *residuals):
    return native.ops().lambda_fast_batch_norm(x, scale, offset, residuals, EPSILON, True)


def inference(x, scale, offset, mean, variance, *residuals):
    return native.ops().lambda_fast_batch_norm_inference(
        x, scale, offset, mean, variance, residuals, EPSILON, True
    )


def gradient(dy, x, y, scale, offset, mean, variance):
    return native.ops().lambda_fast_batch_norm_grad(
        dy, x, y, scale, offset, mean, variance, residuals=1, epsilon=EPSILON, relu=True
    )


OTHER_IMAGES = [[2, 4, 5, 4], [2, 4, 4, 3], [2, 4, 15], [1, 2, 4, 5, 3]]
OTHER_VALUES = [[4], [1], [1, 3], []]
MISFITS = {
    f"{function.__name__}_{place}_{'x'.join(map(str, shape))}": (function, shapes, place, shape)
    for function, shapes, first in (
        (forward, [IMAGE, VALUES, VALUES, IMAGE], 1),
        (inference, [IMAGE, *[VALUES] * 4, IMAGE], 1),
        (gradient, [*[IMAGE] * 3, *[VALUES] * 4], 0),
    )
    for place in range(first, len(shapes))
    for shape in (OTHER_IMAGES if shapes[place] is IMAGE else OTHER_VALUES)
}


@pytest.mark.parametrize(("function", "shapes", "place", "shape"), MISFITS.values(), ids=MISFITS)
class TestWhatDoesNotFit:
    def changed(self, shapes, place, shape):
        return [*shapes[:place], shape, *shapes[place + 1 :]]

    def test_eager(self, function, shapes, place, shape):
        with refused(INVALID, ""):
            function(*map(tf.zeros, self.changed(shapes, place, shape)))

    def test_while_a_graph_is_built(self, function, shapes, place, shape):
        specs = [tf.TensorSpec(s, tf.float32) for s in self.changed(shapes, place, shape)]
        with refused(ValueError, ""):
            tf.function(function, input_signature=specs).get_concrete_function()


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("which", ["parameter", "residual", "gradient"])
def test_misfits_where_the_graph_knows_no_shape(which, jit_compile):
    function, shapes = {
        "parameter": (forward, [IMAGE, [4], VALUES, IMAGE]),
        "residual": (inference, [IMAGE, *[VALUES] * 4, [2, 4, 4, 3]]),
        "gradient": (gradient, [[2, 4, 4, 3], *[IMAGE] * 2, *[VALUES] * 4]),
    }[which]
    specs = [tf.TensorSpec(None, tf.float32)] * len(shapes)
    compiled = tf.function(function, input_signature=specs, jit_compile=jit_compile)
    with refused(INVALID, ""):
        compiled(*map(tf.zeros, shapes))


def gradient_of_two(*inputs):
    return native.ops().lambda_fast_batch_norm_grad(
        *inputs, residuals=2, epsilon=EPSILON, relu=True
    )


@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (forward, [IMAGE, VALUES, VALUES, IMAGE, IMAGE]),
        (inference, [IMAGE, *[VALUES] * 4, IMAGE, IMAGE]),
        (gradient_of_two, [*[IMAGE] * 3, *[VALUES] * 4]),
    ],
    ids=["forward", "inference", "gradient"],
)
def test_two_residuals_are_refused(function, shapes, jit_compile):
    compiled = function
    if jit_compile is not None:
        compiled = tf.function(function, jit_compile=jit_compile)
    with refused((INVALID, ValueError), "at most one residual"):
        compiled(*map(tf.ones, shapes))


@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
def test_a_scalar_is_refused(jit_compile):
    compiled = forward if jit_compile is None else tf.function(forward, jit_compile=jit_compile)
    with refused((INVALID, ValueError), r"an input \[..., channels\]"):
        compiled(tf.ones([]), tf.ones([1]), tf.ones([1]))
