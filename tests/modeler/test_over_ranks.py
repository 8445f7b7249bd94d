"""The gradients of a step in buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_fast.modeler.over_ranks import in_buckets


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=60), st.integers(1, 12))
def test_every_tensor_is_in_one_bucket_the_last_ones_first(sizes, count):
    buckets = in_buckets(sizes, count)
    assert [index for bucket in buckets for index in bucket] == list(reversed(range(len(sizes))))
    assert 1 <= len(buckets) <= count
    assert all(buckets)


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ([5, 5, 5, 5], 1, [[3, 2, 1, 0]]),
        ([5, 5, 5, 5], 2, [[3, 2], [1, 0]]),
        ([1, 1, 100], 3, [[2], [1], [0]]),
        ([3], 4, [[0]]),
    ],
)
def test_they_are_about_equally_large(sizes, count, expected):
    assert in_buckets(sizes, count) == expected
