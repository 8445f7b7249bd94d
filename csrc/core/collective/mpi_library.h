// The MPI library (standard ABI, MPI 5.0), opened at run time: the package works without one.
#pragma once

#include <mpi_abi.h>

#include <string>

namespace lambda_fast {

struct MpiLibrary {
  decltype(&MPI_Init_thread) init_thread;
  decltype(&MPI_Initialized) initialized;
  decltype(&MPI_Finalize) finalize;
  decltype(&MPI_Abort) abort;
  decltype(&MPI_Comm_rank) comm_rank;
  decltype(&MPI_Comm_size) comm_size;
  decltype(&MPI_Comm_split_type) comm_split_type;
  decltype(&MPI_Comm_set_errhandler) comm_set_errhandler;
  decltype(&MPI_Allreduce) all_reduce;
  decltype(&MPI_Alltoall) all_to_all;
  decltype(&MPI_Allgather) all_gather;
  decltype(&MPI_Bcast) bcast;
  decltype(&MPI_Error_string) error_string;
  decltype(&MPI_Get_library_version) library_version;

  // Throws kUnavailable where the file is not there or is no MPI of the standard ABI.
  explicit MpiLibrary(const std::string& path);

  // Throws unless `code` says success.
  void check(int code, const char* what) const;
};

}  // namespace lambda_fast
