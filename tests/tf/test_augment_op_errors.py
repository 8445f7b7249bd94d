"""LambdaFast>Augment refuses what does not fit, with our words: eagerly, in graphs and in XLA."""

import numpy as np
import pytest
import tensorflow as tf

from lambda_fast.augmenter.augment import augment
from lambda_fast.augmenter.spec import AugmentSpec

INVALID = tf.errors.InvalidArgumentError
IMAGES = r"images uint8\[batch, height, width, channels\]; found"

# Shapes of images, ids, seed and epoch; the spec; what the error says.
BAD_SHAPES = {
    "one_image": ([4, 4, 3], [4], [], [], {}, IMAGES),
    "rank_5": ([1, 2, 4, 4, 3], [1], [], [], {}, IMAGES),
    "rank_5_like_4": ([2, 4, 4, 3, 1], [2], [], [], {}, IMAGES),
    "channels": ([2, 4, 4, 2], [2], [], [], {}, "with 1 or 3 channels; found 2"),
    "grey": (
        [2, 4, 4, 1],
        [2],
        [],
        [],
        {"saturation": (0, 1)},
        "3 channels for saturation; found 1",
    ),
    "no_height": ([2, 0, 4, 3], [2], [], [], {}, "an image height and width in 1.*found 0x4"),
    "too_many_ids": ([2, 4, 4, 3], [3], [], [], {}, "sample.id.*found"),
    "ids_of_rank_2": ([2, 4, 4, 3], [2, 1], [], [], {}, "sample_ids int64.*found shape"),
    "seeds": ([2, 4, 4, 3], [2], [1], [], {}, r"scalar seed int64\[\]; found shape"),
    "epochs": ([2, 4, 4, 3], [2], [], [1], {}, r"scalar epoch int64\[\]; found shape"),
    "crop": ([2, 4, 4, 3], [2], [], [], {"height": 5}, "a crop of at most 4x4.*found 5x4"),
}
BAD_SPECS = [
    ({"crop": "middle"}, "one of center, random, random_resized, random_scaled; found"),
    ({"normalize": "unit"}, "normalize to be one of none, channels, image; found 'unit'"),
    ({"flip": 1.5}, r"flip as a probability in \[0, 1\]; found 1.5"),
    ({"std": (1.0, 0.0, 1.0)}, r"std in \[1e-6, 1e30\]; found std\[1\] = 0"),
    ({"mean": (1.0, 2.0)}, "3 values for 'mean'; found 2"),
    ({"contrast": (2.0, 1.0)}, r"contrast as \[low, high\].*found \[2, 1\]"),
    ({"area": (0.5,)}, "2 values for 'area'; found 1"),
    ({"cutout": -1}, "cutout in 0.*found -1"),
]
KNOWN = [2, 4, 4, 3], [2], [], []
# Static shapes that do not say enough for a plan, and yet enough to know that none will fit.
HALF_KNOWN = [
    ([None, None, None, 2], {}, "with 1 or 3 channels; found 2"),
    ([None, None, None, 1], {"saturation": (0.5, 1.0)}, "3 channels for saturation; found 1"),
]


def zeros(images, *others):
    return [tf.zeros(images, tf.uint8), *(tf.zeros(shape, tf.int64) for shape in others)]


def refused(error, words):
    return pytest.raises(error, match=rf"(?s)\[augment\] expected .*{words}")


def traced(spec, shapes, jit_compile=False):
    """A tf.function of inputs of these static shapes (None: unknown)."""
    dtypes = tf.uint8, tf.int64, tf.int64, tf.int64
    signature = [tf.TensorSpec(*pair) for pair in zip(shapes, dtypes, strict=True)]
    return tf.function(
        lambda *inputs: augment(*inputs, AugmentSpec(**spec)),
        input_signature=signature,
        jit_compile=jit_compile,
    )


@pytest.mark.parametrize(
    ("images", "ids", "seed", "epoch", "spec", "words"), BAD_SHAPES.values(), ids=BAD_SHAPES
)
class TestShapes:
    def test_eager(self, images, ids, seed, epoch, spec, words):
        with refused(INVALID, words):
            augment(*zeros(images, ids, seed, epoch), AugmentSpec(**spec))

    def test_while_a_graph_is_built(self, images, ids, seed, epoch, spec, words):
        with refused(ValueError, words):
            traced(spec, [images, ids, seed, epoch]).get_concrete_function()

    @pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
    def test_where_the_graph_knows_no_shape(
        self, images, ids, seed, epoch, spec, words, jit_compile
    ):
        function = traced(spec, [None] * 4, jit_compile)
        with refused(INVALID, words):
            function(*zeros(images, ids, seed, epoch))


@pytest.mark.parametrize(("spec", "words"), BAD_SPECS, ids=[next(iter(s)) for s, _ in BAD_SPECS])
class TestSpecs:
    def test_eager(self, spec, words):
        with refused(INVALID, words):
            augment(*zeros(*KNOWN), AugmentSpec(**spec))

    def test_while_a_graph_is_built(self, spec, words):
        for shapes in (KNOWN, [None] * 4):
            with refused(ValueError, words):
                traced(spec, shapes).get_concrete_function()


@pytest.mark.parametrize(("images", "spec", "words"), HALF_KNOWN, ids=["channels", "grey"])
def test_half_known_shapes_are_refused_while_a_graph_is_built(images, spec, words):
    with refused(ValueError, words):
        traced(spec, [images, [None], [], []]).get_concrete_function()


@pytest.mark.parametrize("which", range(4), ids=["images", "ids", "seed", "epoch"])
def test_tensors_of_another_dtype(which):
    inputs = zeros(*KNOWN)
    inputs[which] = tf.cast(inputs[which], tf.float32)
    with pytest.raises((TypeError, ValueError, INVALID), match="float"):
        augment(*inputs, AugmentSpec())
    with pytest.raises((TypeError, ValueError), match="float"):
        tf.function(augment).get_concrete_function(*inputs, AugmentSpec())


def test_other_dtypes_of_the_output():
    with pytest.raises((TypeError, INVALID), match=r"half|float16"):
        augment(*zeros(*KNOWN), AugmentSpec(), tf.float16)


def test_a_dataset_tells_the_error_too():
    samples = tf.data.Dataset.from_tensors((np.zeros([2, 4, 4, 3], np.uint8), np.arange(2)))
    with refused(ValueError, "a crop of at most 4x4"):
        samples.map(lambda images, ids: augment(images, ids, 0, 0, AugmentSpec(height=9)))
