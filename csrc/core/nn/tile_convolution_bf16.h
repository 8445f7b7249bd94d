// Convolution in bfloat16 on AMX's matrix tiles, for layers of few channels.
//
// oneDNN's kernels reach a tenth to a fifth of the tiles' speed there; see tile_convolution_bf16.cc for how the memory
// moves here.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// All take shapes that has_tile_convolution_bf16 (own_kernels.h) takes.

int64_t tile_kernel_bytes(const ConvolutionShape& shape);
void pack_tile_kernel_bf16(uint16_t* packed, const float* kernel, const ConvolutionShape& shape);
// Of the convolution that takes output gradients back to the input, whose shape `shape` is (stride 1).
void pack_turned_tile_kernel_bf16(uint16_t* packed, const float* kernel, const ConvolutionShape& shape);

// All of shape.count images, plus `addend` of the output's shape where it is not null. One thread.
void tile_convolution_bf16(uint16_t* output, const uint16_t* input, const uint16_t* packed_kernel,
                           const uint16_t* addend, const ConvolutionShape& shape);

}  // namespace lambda_fast
