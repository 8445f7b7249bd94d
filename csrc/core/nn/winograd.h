// 3 x 3 convolution with stride 1 by Winograd's algorithm (Lavin and Gray 2015, "Fast Algorithms for Convolutional
// Neural Networks"), in AVX-512's float32 arithmetic.
//
// A tile of 4 x 4 outputs takes 36 products per pair of channels instead of 144; see winograd.cc. Sums are float32 and
// rounded once, so that bfloat16 loses nothing; against a plain float32 sum the error is about ten times larger.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// All take shapes that has_winograd (dot_products.h) takes, one thread each. Value: float, or uint16_t for bfloat16.

int64_t winograd_kernel_bytes(const ConvolutionShape& shape);
// Input channels [begin, end). The kernel's values are rounded to Value first, as they are for every other algorithm.
template <class Value>
void transform_kernel(float* transformed, const float* kernel, const ConvolutionShape& shape, int64_t begin,
                      int64_t end);
// Of the convolution that takes output gradients of `shape` back to its input: output channels [begin, end) of `shape`.
template <class Value>
void transform_turned_kernel(float* transformed, const float* kernel, const ConvolutionShape& shape, int64_t begin,
                             int64_t end);

// All of shape.count images, plus `addend` of the output's shape where it is not null.
template <class Value>
void winograd_convolution(Value* output, const Value* input, const float* transformed_kernel, const Value* addend,
                          const ConvolutionShape& shape);

// gradient[3, 3, in_channels, out_channels] over shape.count images, at least one.
template <class Value>
void winograd_kernel_gradient(float* gradient, const Value* input, const Value* output_gradient,
                              const ConvolutionShape& shape);

}  // namespace lambda_fast
