// The gradient of a convolution's kernel in bfloat16 on AMX's matrix tiles, for layers of few channels.
//
// oneDNN's own takes about twice the time there; see tile_kernel_gradient_bf16.cc for how the memory moves here.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// For shapes that has_tile_kernel_gradient_bf16 (own_kernels.h) takes: gradient[3, 3, in_channels, out_channels] over
// shape.count images, at least one. One thread.
void tile_kernel_gradient_bf16(float* gradient, const uint16_t* input, const uint16_t* output_gradient,
                               const ConvolutionShape& shape);

}  // namespace lambda_fast
