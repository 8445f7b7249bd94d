// Which shapes our own kernels take, and whether this CPU has their instructions (AVX-512, AVX512-BF16, AMX).
//
// Apart from the kernels, whose files are compiled for those instructions and must not be entered without them.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// AVX512-BF16: dot products of pairs, and widen_bf16.h.
bool has_dot_products();

// Whether they do more in a cycle than float32's multiplications. Not on Intel: half as many of them as a pair needs
// were measured there (0.5 dot products a cycle against 2 multiplications, family 6 model 207).
bool has_quick_dot_products();

// kernel_gradient_bf16.h: 3 x 3 kernels, input channels a multiple of 8, output channels of 16, and not too many of
// both.
bool has_kernel_gradient_bf16(const ConvolutionShape& shape);

// winograd.h: 3 x 3 kernels, stride 1, 16 to 256 channels by sixteens, outputs of at least a tile. In float32 it needs
// AVX-512 alone.
bool has_winograd(FloatType type, const ConvolutionShape& shape);

// tile_convolution_bf16.h: output channels a multiple of 16, an even number of input channels, few of both.
bool has_tile_convolution_bf16(const ConvolutionShape& shape);

// tile_kernel_gradient_bf16.h: 3 x 3 kernels, stride 1, channels multiples of 16.
bool has_tile_kernel_gradient_bf16(const ConvolutionShape& shape);

// The convolution that takes output gradients of `shape`, with stride 1, back to its input.
ConvolutionShape turned(const ConvolutionShape& shape);

}  // namespace lambda_fast
