// The gradient of a convolution's kernel in bfloat16, for CPUs with AVX512-BF16 and no matrix tiles.
//
// oneDNN's own spends half of its time on changes of layout when channels are few; see kernel_gradient_bf16.cc for how
// the memory moves here.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// For shapes that has_kernel_gradient_bf16 (own_kernels.h) takes: adds to gradient[3, 3, in_channels, out_channels]
// what shape.count images contribute. One thread.
void add_kernel_gradient_bf16(float* gradient, const uint16_t* input, const uint16_t* output_gradient,
                              const ConvolutionShape& shape);

}  // namespace lambda_fast
