"""Prefetching changes when a batch is made, never which."""

import threading

import pytest

from lambda_fast.inputter.prefetch import Prefetch

STEPS = 5


def following(key):
    epoch, step = key
    return (epoch, step + 1) if step + 1 < STEPS else (epoch + 1, 0)


def make(finish=lambda key, begun: (key, begun), following=following, **fields):
    begun = []

    def begin(key):
        begun.append(key)
        return len(begun)

    return Prefetch(begin, finish, following, **({"depth": 3, "workers": 2} | fields)), begun


def test_batches_come_in_order_and_are_begun_ahead():
    prefetch, begun = make()
    for number in range(12):
        key = divmod(number, STEPS)
        assert prefetch.get(key)[0] == key
        assert begun == [divmod(n, STEPS) for n in range(number + 4)]
    prefetch.close()


def test_asking_out_of_turn_goes_on_from_there():
    prefetch, begun = make()
    prefetch.get((0, 0))
    assert prefetch.get((4, 2))[0] == (4, 2)
    assert prefetch.get((4, 3))[0] == (4, 3)
    assert begun[4:] == [(4, 2), (4, 3), (4, 4), (5, 0), (5, 1)]
    prefetch.close()


def test_an_error_comes_with_its_batch():
    def finish(key, begun):
        if key == (0, 2):
            raise ValueError("the third")
        return key

    prefetch, _ = make(finish)
    assert prefetch.get((0, 0)) == (0, 0)
    assert prefetch.get((0, 1)) == (0, 1)
    with pytest.raises(ValueError, match="the third"):
        prefetch.get((0, 2))
    prefetch.close()


def test_nothing_is_begun_behind_the_end_and_it_can_be_gone_through_again():
    prefetch, begun = make(following=lambda key: None if key == (0, 1) else following(key))
    for _ in range(2):
        assert prefetch.get((0, 0))[0] == (0, 0)
        assert prefetch.get((0, 1))[0] == (0, 1)
    assert begun == [(0, 0), (0, 1)] * 2
    prefetch.close()


def test_batches_are_made_by_other_threads_while_the_caller_works():
    made = threading.Event()

    def finish(key, begun):
        if key == (0, 1):
            made.set()
        return threading.current_thread()

    prefetch, _ = make(finish)
    assert prefetch.get((0, 0)) is not threading.current_thread()
    assert made.wait(5), "the next batch was not made while nobody asked for it"
    prefetch.close()
