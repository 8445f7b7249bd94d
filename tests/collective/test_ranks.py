"""The core's collectives among real ranks: right, the same bits everywhere, and never stuck."""

import pytest
from collective.launch import run, run_once

PROGRAM = "rank_program.py"
OVER_MPI = {"MPIR_CVAR_NOLOCAL": "1"}  # MPICH then takes each rank for a machine of its own


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_sums_are_float64_sums_to_rounding_and_equal_on_all_ranks(ranks):
    said = run_once(PROGRAM, "sums", ranks)
    assert said[0][0] == "shared memory"
    assert all(entry == said[0] for entry in said)


def test_another_run_gives_the_same_bits():
    assert run(PROGRAM, "sums", 3) == run_once(PROGRAM, "sums", 3)


@pytest.mark.parametrize("ranks", [2, 3])
def test_mpi_gives_the_bits_of_shared_memory(ranks):
    said = run(PROGRAM, "sums", ranks, **OVER_MPI)
    assert [through for through, _ in said] == ["MPI"] * ranks
    assert {digest for _, digest in said} == {run_once(PROGRAM, "sums", ranks)[0][1]}


@pytest.mark.parametrize("env", [{}, OVER_MPI], ids=["shared memory", "MPI"])
def test_broadcasts_from_any_root(env):
    for said in run(PROGRAM, "broadcasts", 3, **env):
        assert "expected a root within a world of 3, found 3" in said


@pytest.mark.parametrize("case", ["lists", "rounds"])
def test_case(case):
    assert run(PROGRAM, case, 3) == ["right"] * 3


def test_over_mpi_they_are_told_what_differs():
    same = "expected the same {} on all 3 ranks, found {}"
    operation = "operation (sum 0, mean 1, broadcast 2, barrier 3)"
    for said in run(PROGRAM, "mismatches", 3, **OVER_MPI):
        assert "[all_reduce] " + same.format("total size", "1000 to 1001") in said["sizes"]
        assert "[all_reduce] " + same.format(operation, "0 to 1") in said["means"]
        assert "[broadcast] " + same.format("shapes and types", "") in said["parts"]
        assert "[broadcast] " + same.format("root", "0 to 1") in said["roots"]


@pytest.mark.parametrize("kind", ["sizes", "means", "parts", "roots"])
def test_ranks_that_call_different_things_are_told(kind):
    said = run(PROGRAM, f"mismatch {kind}", 3)
    where = "[broadcast]" if kind in ("parts", "roots") else "[all_reduce]"
    assert all(f"{where} expected" in entry for entry in said), said
    assert any("the same call with the same shapes" in entry for entry in said), said


def test_a_rank_that_cannot_start_nccl_ends_the_wait_of_the_others():
    waiting, failed = run("start_program.py", "", 2)
    assert "[barrier] expected all 2 ranks, found that the run was ended" in waiting
    assert "[nccl] expected" in failed


@pytest.mark.parametrize("ranks", [2, 4])
def test_abort_ends_pending_and_later_calls_within_a_second(ranks):
    for seconds, errors in run(PROGRAM, "abort", ranks):
        assert len(errors) == 2
        assert all("was ended" in error for error in errors), errors
        assert seconds < 1.5, seconds


@pytest.mark.parametrize("ranks", [2, 4])
def test_waiting_takes_no_processor_time(ranks):
    assert max(run(PROGRAM, "late", ranks)) < 0.1
