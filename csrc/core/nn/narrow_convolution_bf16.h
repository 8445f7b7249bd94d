// Convolution with 3 x 3 kernels, stride 1 and few channels in bfloat16, for CPUs with AVX512-BF16 and no matrix tiles.
//
// Where a layer has 16 or 32 channels, oneDNN's kernels are bound by loads; see narrow_convolution_bf16.cc.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// All take shapes that has_narrow_convolution_bf16 (dot_products.h) takes.

// Of the packed kernel: bf16 [3, 3, in_channels / 2, out_channels, 2].
int64_t packed_kernel_bytes(const ConvolutionShape& shape);
void pack_kernel(uint32_t* packed, const float* kernel, const ConvolutionShape& shape);
// Of the convolution that takes output gradients back to the input, whose shape `shape` is.
void pack_turned_kernel(uint32_t* packed, const float* kernel, const ConvolutionShape& shape);

// All of shape.count images. One thread.
void narrow_convolution_bf16(uint16_t* output, const uint16_t* input, const uint32_t* packed_kernel,
                             const ConvolutionShape& shape);

}  // namespace lambda_fast
