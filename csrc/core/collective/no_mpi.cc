// Stands in for mpi.cc in a build without MPI's header.
#include "core/base/error.h"
#include "core/collective/communicator.h"

namespace lambda_fast {

std::unique_ptr<Communicator> make_mpi(const std::string&) {
  fail(ErrorKind::kUnavailable, "mpi",
       "expected a build with MPI, found one without its header mpi_abi.h. pip install mpich, and build again");
}

}  // namespace lambda_fast
