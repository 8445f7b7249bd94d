// Stands in for nccl.cc in a build without CUDA or without NCCL's header.
#include "core/base/error.h"
#include "core/collective/communicator.h"

namespace lambda_fast {

std::unique_ptr<Communicator> make_nccl(const std::string&, Communicator*, double) {
  fail(ErrorKind::kUnavailable, "nccl",
       "expected a build with NCCL, found one without. Put nvcc on the PATH, pip install nvidia-nccl-cu12, and build "
       "again with LAMBDA_FAST_CUDA=ON");
}

}  // namespace lambda_fast
