"""Philox-4x32-10 against its published answers, and the order of an epoch that is made from it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference

from lambda_fast import native

core = native.core()
INT64 = np.iinfo(np.int64)

# Random123's kat_vectors: counter, key, block.
PUBLISHED = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
KEYS = [(0, 0), (1, 0), (0, 1), (-1, 3), (INT64.min, 2**32 - 1), (INT64.max, 7)]


def numbers(text):
    return tuple(int(word, 16) for word in text.split())


def order(seed, epoch, size):
    return core.sample_order(seed, epoch, size, 0, size)


def chi_square(counts):
    counts = np.asarray(counts, float)
    return float(((counts - counts.mean()) ** 2 / counts.mean()).sum())


@pytest.mark.parametrize("philox", [core.philox, reference.philox], ids=["native", "reference"])
@pytest.mark.parametrize(("counter", "key", "block"), PUBLISHED, ids=["zeros", "ones", "pi"])
def test_philox_gives_the_published_blocks(philox, counter, key, block):
    assert tuple(philox(numbers(counter), numbers(key))) == numbers(block)


def test_philox_equals_the_reference_on_random_counters():
    rng = np.random.default_rng(1)
    for words in rng.integers(0, 2**32, (200, 6)).tolist():
        assert core.philox(words[:4], words[4:]) == reference.philox(words[:4], words[4:])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 257, 1000])
def test_order_equals_the_reference_and_is_a_permutation(size):
    for seed, epoch in KEYS if size < 100 else KEYS[3:]:
        ids = order(seed, epoch, size)
        assert ids.dtype == np.int64
        assert ids.tolist() == reference.sample_order(seed, epoch, size).tolist()
        assert sorted(ids.tolist()) == list(range(size))


@pytest.mark.parametrize("size", [6, 50_000, 65_536, 65_537])
def test_order_of_larger_sets_is_a_permutation(size):
    assert (np.sort(order(5, 0, size)) == np.arange(size)).all()


@pytest.mark.parametrize("size", [1000, 2**20 + 1, 2**40, 2**62 + 1, INT64.max])
def test_any_part_of_an_order_can_be_asked_for(size):
    begins = [0, 1, size // 3, size - 7]
    for begin in begins:
        ids = core.sample_order(11, 4, size, begin, 7)
        expected = [reference.permuted(11, 4, size, begin + i) for i in range(7)]
        assert ids.tolist() == expected
    assert core.sample_order(11, 4, size, size, 0).shape == (0,)


def test_orders_of_other_epochs_and_seeds_are_others():
    orders = [order(seed, epoch, 100).tolist() for seed in (0, 1, -1, 2**32) for epoch in range(3)]
    orders.append(list(range(100)))
    assert len({tuple(ids) for ids in orders}) == len(orders)
    # Two independent permutations agree on one place on average.
    agreements = [(order(3, e, 50) == order(3, e + 1, 50)).sum() for e in range(400)]
    assert 0.8 < np.mean(agreements) < 1.2


def test_each_id_is_first_equally_often():
    first = [int(core.sample_order(seed, 0, 10, 0, 1)[0]) for seed in range(5000)]
    assert chi_square(np.bincount(first, minlength=10)) < 27.9  # 9 degrees of freedom, p = 0.001


def test_each_id_is_at_each_position_equally_often():
    counts = np.zeros((8, 8))
    for epoch in range(4000):
        counts[np.arange(8), order(0, epoch, 8)] += 1
    assert chi_square(counts) < 85.4  # 49 degrees of freedom, p = 0.001


def test_neighbours_in_the_order_are_not_neighbours_by_id():
    ids = order(0, 0, 20_000)
    assert abs(np.corrcoef(ids[:-1], ids[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(ids, np.arange(20_000))[0, 1]) < 0.03
    assert (np.abs(np.diff(ids)) == 1).mean() < 0.001


@pytest.mark.parametrize(
    ("size", "begin", "count"),
    [(0, 0, 0), (-1, 0, 0), (10, -1, 1), (10, 5, 6), (10, 0, 11), (10, 0, -1), (10, 11, 0)],
)
def test_positions_outside_of_the_order_are_refused(size, begin, count):
    with pytest.raises(ValueError, match=r"^\[sample_order\] expected .*found "):
        core.sample_order(0, 0, size, begin, count)


def test_a_begin_near_the_largest_integer_is_refused():
    # In its own process: where begin + count overflows, the walk may never end.
    program = (
        "from lambda_fast import native\n"
        "try: native.core().sample_order(0, 0, 10, 2**63 - 1, 1)\n"
        "except ValueError as error: print(error)\n"
    )
    root = Path(native.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=20
    )
    assert done.stdout.startswith("[sample_order] expected "), done.stderr
