"""One rank of a test: the last one of two finds no NCCL while the other waits for it."""

import os

from launch import say

from lambda_fast import native
from lambda_fast.runner import collective

rank = int(os.environ["PMI_RANK"])
try:
    native.core().join_world(collective.mpi_library(), "no libnccl.so" if rank == 1 else "")
    native.core().barrier()
except RuntimeError as error:
    say(rank, str(error))
collective.leave()
