// The check of a CUDA call, or of a kernel's launch, as an Error.
#pragma once

#include <cuda_runtime.h>

#include "core/base/error.h"

namespace lambda_fast {

// The arguments after `where` say what was called.
template <class... Parts>
void check_cuda(cudaError_t status, const char* where, const Parts&... what) {
  if (status != cudaSuccess) {
    fail(ErrorKind::kInternal, where, "expected ", what...,
         " to succeed on the GPU, found: ", cudaGetErrorString(status));
  }
}

}  // namespace lambda_fast
