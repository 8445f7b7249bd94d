"""TensorFlow's collective ops among real ranks: in all modes, once each, in one order."""

import importlib.util

import pytest
from collective.launch import run

if importlib.util.find_spec("tensorflow") is None:
    pytest.skip("needs TensorFlow", allow_module_level=True)

PROGRAM = "tf_program.py"


def test_modes_give_the_same_bits():
    assert run(PROGRAM, "modes", 2) == ["right"] * 2


def test_one_call_for_a_list_even_where_nobody_uses_its_results():
    assert run(PROGRAM, "hlo", 2) == [[1, 1, 1]] * 2


def test_training_in_a_compiled_loop():
    first, second = run(PROGRAM, "loop", 2)
    assert first == second


def test_gradients_come_back_from_all_ranks():
    assert run(PROGRAM, "gradients", 2) == [[[1.5] * 2, [3.0] * 2, None]] * 2


def test_independent_calls_keep_their_order():
    assert run(PROGRAM, "order", 2) == ["right"] * 2


def test_shapes_and_errors():
    for unsupported, no_rank, no_root in run(PROGRAM, "shapes_and_errors", 2):
        assert "int32 is not in the list of allowed values: float, bfloat16, half" in unsupported
        assert no_rank == "CollectiveError: [broadcast] expected a rank below 2, found root 2"
        assert "[broadcast] expected a root within a world of 2, found 2" in no_root
