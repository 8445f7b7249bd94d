"""Which images come when: every one once an epoch, the same for any number of ranks."""

import numpy as np
import pytest

from lambda_fast.config import ConfigError
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order


def order(**fields):
    defaults = {"samples": 103, "batch_size": 10, "seed": 5, "shuffle": True, "complete": False}
    return Order(**(defaults | fields))


def epoch_ids(one, epoch):
    return np.concatenate([one.ids(epoch, step)[0] for step in range(one.steps_per_epoch)])


def test_train_sees_each_image_at_most_once_and_leaves_out_other_ones_each_epoch():
    one = order()
    assert one.steps_per_epoch == 10
    first, second = epoch_ids(one, 0), epoch_ids(one, 1)
    assert len(set(first)) == len(first) == 100
    assert set(first) != set(second)
    assert not np.array_equal(first, np.sort(first))


def test_the_order_depends_on_the_seed_and_nothing_else():
    assert np.array_equal(epoch_ids(order(), 3), epoch_ids(order(), 3))
    assert not np.array_equal(epoch_ids(order(), 3), epoch_ids(order(seed=6), 3))


def test_ranks_share_the_global_batch():
    whole = order(batch_size=12)
    parts = [order(batch_size=4, rank=rank, ranks=3) for rank in range(3)]
    for step in range(whole.steps_per_epoch):
        together = np.concatenate([part.ids(2, step)[0] for part in parts])
        assert np.array_equal(together, whole.ids(2, step)[0])


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_eval_counts_every_image_once_on_any_number_of_ranks(ranks):
    seen = []
    for rank in range(ranks):
        one = order(shuffle=False, complete=True, rank=rank, ranks=ranks)
        for step in range(one.steps_per_epoch):
            ids, count = one.ids(0, step)
            assert ids.shape == (10,)
            assert ids.dtype == np.int64
            seen += ids[:count].tolist()
    assert sorted(seen) == list(range(103))


def test_too_few_images_for_a_batch_is_an_error():
    with pytest.raises(ConfigError, match="found 103 images for a global batch of 128"):
        order(batch_size=64, ranks=2)


def test_a_step_beyond_the_epoch_is_an_error():
    with pytest.raises(IndexError, match=r"\[0, 10\), found 10"):
        order().ids(0, 10)


def test_batches_hold_the_images_of_their_ids():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (103, 5, 4, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, 103).astype(np.int32)
    one = InMemoryInputter(images, labels, tuple("abcdefghij"), order())
    for epoch, step in ((0, 0), (4, 9)):
        batch = one.batch(epoch, step)
        ids = batch.sample_ids.numpy()
        assert np.array_equal(ids, one.order.ids(epoch, step)[0])
        assert np.array_equal(batch.images.numpy(), images[ids])
        assert np.array_equal(batch.labels.numpy(), labels[ids])
        assert int(batch.epoch) == epoch
        assert batch.count == 10


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((103, 4, 4, 3), np.float32), None, "expected images uint8"),
        (np.zeros((102, 4, 4, 3), np.uint8), None, "expected images uint8"),
        (np.zeros((103, 4, 4, 3), np.uint8), np.full(103, 2, np.int32), "one label in"),
        (np.zeros((103, 4, 4, 3), np.uint8), np.zeros(102, np.int32), "one label in"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        InMemoryInputter(images, labels, ("a", "b"), order())
