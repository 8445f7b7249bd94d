"""Ranks that are not of one run are told apart before the first step, and end in seconds."""

import os

import pytest
from ranks import left, run

from lambda_fast.config import ConfigError
from lambda_fast.configs.cifar10 import recipe
from lambda_fast.runner.collective import CollectiveError, mpi_library
from lambda_fast.runner.launching import mpiexec
from lambda_fast.runner.world import World, check_devices, cores_of, fitted, world_of


def refused(done, message):
    code, output, errors = done
    assert code == 2, output + errors
    assert message in errors
    assert errors.count("error:") == 1, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"OTHER_RANK": "1", "OTHER_ARGUMENTS": "--set seed=5"},
            "expected the same seed on all ranks, found '0' on rank 0; '5' on rank 1",
        ),
        (
            {"OTHER_RANK": "1", "OTHER_ARGUMENTS": "", "OTHER_SAMPLES": "198"},
            "expected the same images on all ranks, found '200' on rank 0; '198' on rank 1",
        ),
        (
            {"OTHER_VERSION_RANK": "0"},
            "on all ranks, found '0.0.1' on rank 0; ",
        ),
    ],
)
def test_another_rank_is_named(tmp_path, environment, message):
    refused(run(tmp_path / "run", "runner.timeout=20", **environment), message)
    assert left(tmp_path) == []


def test_a_stale_rendezvous(tmp_path):
    done = run(tmp_path, LAMBDA_FAST_WATCH="127.0.0.1:9", PMI_RANK="0", PMI_SIZE="2")
    refused(done, "[rendezvous] expected this run's watch at 127.0.0.1:9, found: ")


def test_a_watch_of_another_run_refuses():
    from lambda_fast.runner.beating import Beat, RendezvousError
    from lambda_fast.runner.watching import Watch

    watch = Watch(1, 60.0)
    with pytest.raises(RendezvousError, match="calls this a rank of another run"):
        Beat(f"127.0.0.1:{watch.port}", "another token", 0)
    watch.close()


def test_a_world_of_another_size(tmp_path):
    before = (mpiexec(), "-localhost", "127.0.0.1", "-n", "2")
    code, output, errors = run(tmp_path, "gpu_count=4", before=before)
    assert code == 2, output + errors
    message = "[gpu_count] expected the 2 ranks of this mpiexec or srun, found 4"
    assert (output + errors).count(message) == 1


def test_no_mpiexec_on_the_path(tmp_path):
    environment = {"LAMBDA_FAST_MPI_LIBRARY": mpi_library(), "PATH": str(tmp_path)}
    refused(run(tmp_path / "run", **environment), "[mpiexec] expected mpiexec on the PATH")


def test_no_mpich():
    with pytest.raises(CollectiveError, match="pip install mpich"):
        mpiexec("no-such-mpich")
    assert os.access(mpiexec(), os.X_OK)


def test_more_ranks_than_gpus():
    with pytest.raises(ConfigError, match="at most 2, the GPUs present, found 4"):
        check_devices(4, 2)
    check_devices(2, 2)
    check_devices(4, 0)  # ranks share the cores


def test_the_world_is_read_from_the_environment():
    assert world_of({}) is None
    assert world_of({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}) is None  # a batch script
    hydra = {"PMI_RANK": "3", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
    assert world_of(hydra) == World(3, 4, 1, 2)
    slurm = {"PMIX_RANK": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1"}
    assert world_of(slurm | {"SLURM_NTASKS_PER_NODE": "2"}) == World(3, 4, 1, 2)
    assert fitted(recipe(), World(0, 4)).gpu_count == 4


def test_cores_are_shared_out():
    assert [cores_of([0, 1, 2, 3, 4], rank, 2) for rank in range(2)] == [[0, 1], [2, 3]]
    assert cores_of([0], 0, 2) == []
