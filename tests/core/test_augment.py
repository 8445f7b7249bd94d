"""The native augmenter gives the reference's bytes: fixed cases, random specs, extreme keys."""

import augment_cases
import ml_dtypes
import numpy as np
import pytest
import reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_fast import native
from lambda_fast.augmenter.augment import augment_numpy
from lambda_fast.augmenter.spec import AugmentSpec

DTYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}
INT64 = st.integers(-(2**63), 2**63 - 1)
stable = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


def assert_same_bytes(images, ids, seed, epoch, spec, dtype):
    found = augment_numpy(images, ids, seed, epoch, AugmentSpec(**spec), dtype, threads=2)
    expected = reference.augment(images, ids, seed, epoch, spec, dtype)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == DTYPES[dtype]
    wrong = np.argwhere(found.view(f"u{found.itemsize}") != expected.view(f"u{found.itemsize}"))
    assert len(wrong) == 0, (
        f"{len(wrong)} of {found.size} values differ, first at {tuple(wrong[0])}: "
        f"{found[tuple(wrong[0])]} for {expected[tuple(wrong[0])]}"
    )


def floats(lowest, highest):
    """What a spec takes: zero, and nothing nearer to zero than 1e-30."""
    whole = st.floats(lowest, highest, width=32)
    return whole.filter(lambda one: one == 0 or abs(one) >= 1e-30)


def ranges(lowest, highest, off=None):
    """Ranges of two values, of one value twice, and the one that switches the dice off."""
    value = floats(lowest, highest)
    pair = st.tuples(value, value).map(sorted).map(tuple)
    choices = [pair, value.map(lambda one: (one, one))]
    return st.one_of(*choices, st.just((off, off))) if off is not None else st.one_of(*choices)


@st.composite
def specs_and_shapes(draw):
    """Any valid spec, and a shape of images that it fits."""
    channels = draw(st.sampled_from([1, 3]))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    crop = draw(st.sampled_from(["center", "random", "random_resized", "random_scaled"]))
    resized = crop in ("random_resized", "random_scaled")
    pad = 0 if resized else draw(st.integers(0, 9))
    flip = draw(st.sampled_from([0.0, 0.5, 1.0]))
    three = st.tuples(*[floats(-1000, 1000)] * 3)
    positive = st.tuples(*[floats(2**-19, 300)] * 3)
    spec = {
        "height": draw(st.integers(0, 50 if resized else height + 2 * pad)),
        "width": draw(st.integers(0, 50 if resized else width + 2 * pad)),
        "pad": pad,
        "crop": crop,
        "area": draw(ranges(2**-13, 1.0)),
        "aspect": draw(ranges(2**-6, 100.0)),
        "short_side": draw(ranges(50.0, 1000.0)),
        "flip": flip,
        "alternate_flip": flip > 0 and draw(st.booleans()),
        "policy": draw(st.sampled_from(["none", "none", "rand_augment", "trivial_augment"])),
        "policy_ops": draw(st.integers(1, 16)),
        "policy_magnitude": draw(st.integers(0, 30)),
        "brightness": draw(st.one_of(st.just(0.0), floats(0, 255))),
        "contrast": draw(ranges(0.0, 100.0, off=1.0)),
        "saturation": draw(ranges(0.0, 100.0, off=1.0)) if channels == 3 else (1.0, 1.0),
        "normalize": draw(st.sampled_from(["none", "channels", "image"])),
        "mean": draw(three),
        "std": draw(positive),
        "cutout": draw(st.sampled_from([0, 0, 1, 2, 5, 8, 99])),
    }
    return spec, (draw(st.integers(1, 3)), height, width, channels)


@st.composite
def pixels(draw, shape):
    """Noise, few colours, one colour, or black and white."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    kind = draw(st.sampled_from(["noise", "noise", "few", "one", "extremes"]))
    if kind == "few":
        images = images // 128 * 77
    elif kind == "one":
        images[:] = images[:, :1, :1]
    elif kind == "extremes":
        images = np.where(images < 128, 0, 255).astype(np.uint8)
    return images


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", augment_cases.CASES)
def test_fixed_cases(name, dtype):
    images, ids = augment_cases.inputs(name)
    spec = augment_cases.CASES[name][1]
    assert_same_bytes(images, ids, augment_cases.SEED, augment_cases.EPOCH, spec, dtype)


@settings(stable, max_examples=1000)
@given(st.data())
def test_any_spec_gives_the_references_bytes(data):
    spec, shape = data.draw(specs_and_shapes())
    images = data.draw(pixels(shape))
    ids = np.array(data.draw(st.lists(INT64, min_size=shape[0], max_size=shape[0])), np.int64)
    seed, epoch = data.draw(INT64), data.draw(st.integers(0, 2**32 - 1))
    dtype = data.draw(st.sampled_from(sorted(DTYPES)))
    assert_same_bytes(images, ids, seed, epoch, spec, dtype)


@settings(stable, max_examples=200)
@given(specs_and_shapes(), INT64, INT64, st.integers(0, 2**32 - 1))
def test_draw_tells_the_references_dice(spec_and_shape, sample_id, seed, epoch):
    spec, (_, *shape) = spec_and_shape
    found = native.core().draw(shape, sample_id, seed, epoch, spec)
    expected = reference.draw(spec, shape, sample_id, seed, epoch)
    if spec["cutout"] == 0:
        assert found.pop("cutout")["height"] == 0
        expected.pop("cutout")
    assert found == expected


@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        # Attempts that mostly fail, so that the tenth and the fallback are met too.
        ((40, 40, 3), {"area": (0.9, 1.0), "aspect": (0.5, 2.0)}),
        ((30, 50, 3), {"area": (0.8, 1.0), "aspect": (0.3, 1.0)}),
        # Sides so long, and ends so far from float32, that the rounding of the logarithms shows.
        ((32768, 32768, 3), {"area": (0.01, 0.1), "aspect": (0.114, 9.26)}),
    ],
    ids=["hard", "harder", "long"],
)
def test_windows_of_many_samples(shape, spec):
    spec = {"crop": "random_resized", "height": 1, "width": 1, **spec}
    for sample_id in range(5000):
        found = native.core().draw(shape, sample_id, 1, 2, spec)["window"]
        assert found == reference.draw(spec, shape, sample_id, 1, 2)["window"], sample_id


def test_a_flip_needs_a_die_below_its_probability():
    shape = (4, 4, 3)
    for sample_id in range(50):
        key = sample_id, 0, 0
        die = reference.between(reference.dice(*key, 0)[2], (0.0, 1.0))
        above = float(np.nextafter(np.float32(die), np.float32(1)))
        for flip in (die, above):
            assert native.core().draw(shape, *key, {"flip": flip})["flip"] is (flip == above)
            assert reference.draw({"flip": flip}, shape, *key)["flip"] is (flip == above)


@pytest.mark.parametrize("saturation", [(1.0, 1.0), (0.3, 1.7)])
def test_offsets_are_rounded_as_defined(saturation):
    # The mean takes the offset's leading 24 bits away, and a black pixel shows what is left.
    spec = {"brightness": 40.0, "contrast": (0.2, 1.8), "saturation": saturation}
    images = augment_cases.images((2, 4, 4, 3))
    images[:, 0, 0] = 0
    for sample_id in range(300):
        thrown = reference.draw(spec, images.shape[1:], sample_id, 0, 0)
        _, offset = reference.colour_transform(
            reference.filled(spec), thrown, images[0].astype(np.int64)
        )
        left = {**spec, "normalize": "channels", "mean": tuple(offset), "std": (1e-3, 0.7, 11.0)}
        assert_same_bytes(images[:1], np.array([sample_id]), 0, 0, left, "float32")


@pytest.mark.parametrize("width", range(1, 70))
def test_every_width(width):
    # Vector loops have tails; each width modulo a register's length is one case.
    images, ids = augment_cases.images((2, 3, width, 3)), np.array([3, 4])
    for spec in (
        {"flip": 1.0},
        {"pad": 2, "height": 5, "width": width, "crop": "random", "flip": 0.5},
        {"crop": "random_resized", "width": 71 - width, "flip": 0.5},
        {"saturation": (0.5, 0.5), "normalize": "image"},
    ):
        for dtype in DTYPES:
            assert_same_bytes(images, ids, 0, 0, spec, dtype)
            grey = {name: value for name, value in spec.items() if name != "saturation"}
            assert_same_bytes(np.ascontiguousarray(images[..., :1]), ids, 0, 0, grey, dtype)


@pytest.mark.parametrize("sample_id", [-(2**63), -(2**32), -1, 0, 2**31, 2**32, 2**63 - 1])
@pytest.mark.parametrize("seed", [-(2**63), -1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("epoch", [0, 2**31, 2**32 - 1])
def test_extreme_keys(sample_id, seed, epoch):
    images, ids = augment_cases.images((1, 8, 8, 3)), np.array([sample_id])
    spec = {"pad": 4, "height": 8, "width": 8, "crop": "random", "brightness": 255.0}
    assert_same_bytes(images, ids, seed, epoch, spec, "float32")


def test_every_bit_of_the_key_counts():
    spec = {"brightness": 255.0}
    keys = [[0, 0, 0]]
    keys += [[1 << b if i == which else 0 for i in range(3)] for which in (0, 1) for b in range(63)]
    keys += [[0, 0, 1 << b] for b in range(32)]
    drawn = {native.core().draw((1, 1, 3), *key, spec)["brightness"] for key in keys}
    assert len(drawn) == len(keys)


def test_bfloat16_is_float32_rounded_to_nearest():
    images, ids = augment_cases.inputs("image_colours")
    spec = AugmentSpec(**augment_cases.CASES["image_colours"][1])
    wide, narrow = (augment_numpy(images, ids, 0, 0, spec, dtype) for dtype in DTYPES)
    assert narrow.tobytes() == wide.astype(ml_dtypes.bfloat16).tobytes()


@pytest.mark.parametrize("name", augment_cases.SHA256)
def test_the_bytes_are_those_of_every_device(name):
    dtype, expected = augment_cases.SHA256[name]
    images, ids = augment_cases.inputs(name)
    spec, key = augment_cases.CASES[name][1], (augment_cases.SEED, augment_cases.EPOCH)
    assert augment_cases.sha256(reference.augment(images, ids, *key, spec, dtype)) == expected
    found = augment_numpy(images, ids, *key, AugmentSpec(**spec), dtype)
    assert augment_cases.sha256(found) == expected
