// Convolution of a build without oneDNN: it says so. The network's layers then use TensorFlow's own ops.
#include "core/base/error.h"
#include "core/nn/convolution.h"

namespace lambda_fast {
namespace {

[[noreturn]] void refuse() {
  fail(ErrorKind::kUnavailable, "conv2d",
       "expected a build with oneDNN; found one without. pip install onednn-devel-cpu-gomp==2023.2.0, and build again");
}

}  // namespace

void convolve(void*, const void*, const float*, FloatType, const ConvolutionShape&, const Context&) { refuse(); }

void convolve_backward_input(void*, const void*, const float*, const void*, FloatType, const ConvolutionShape&,
                             const Context&) {
  refuse();
}

void convolve_backward_kernel(float*, const void*, const void*, FloatType, const ConvolutionShape&, const Context&) {
  refuse();
}

std::string convolution_library() { return ""; }

bool has_fast_bfloat16() { return false; }

}  // namespace lambda_fast
