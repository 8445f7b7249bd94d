// MPI_Allreduce as it is, and a parameter server on rank 0, for all_reduce_ranks.py.
#include <mpi_abi.h>

#include <cstdint>
#include <cstring>

extern "C" {

void raw_all_reduce(float* values, int64_t count) {
  MPI_Allreduce(MPI_IN_PLACE, values, static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

// Rank 0 gathers everybody's values in `all`, sums them, and sends the sums back.
void parameter_server(float* values, float* all, int64_t count, int rank, int ranks) {
  const int size = static_cast<int>(count);
  MPI_Gather(values, size, MPI_FLOAT, all, size, MPI_FLOAT, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    std::memcpy(values, all, count * sizeof(float));
    for (int r = 1; r < ranks; ++r) {
      for (int64_t i = 0; i < count; ++i) values[i] += all[r * count + i];
    }
  }
  MPI_Bcast(values, size, MPI_FLOAT, 0, MPI_COMM_WORLD);
}
}
