// An MPI whose ranks never share a machine, and whose MPI_Allgather is slow by DELAY microseconds: a slow network.
#include <mpi_abi.h>
#include <unistd.h>

extern "C" {

int MPI_Comm_split_type(MPI_Comm, int, int, MPI_Info, MPI_Comm* own) {
  *own = MPI_COMM_SELF;
  return MPI_SUCCESS;
}

int MPI_Allgather(const void* sent, int count, MPI_Datatype type, void* received, int received_count,
                  MPI_Datatype received_type, MPI_Comm ranks) {
  usleep(DELAY);
  return PMPI_Allgather(sent, count, type, received, received_count, received_type, ranks);
}
}
