// 3 x 3 convolution with stride 1 by Winograd's algorithm (Lavin and Gray 2015, "Fast Algorithms for Convolutional
// Neural Networks"), in AVX-512's float32 arithmetic.
//
// A tile of 4 x 4 outputs takes 36 products per pair of channels instead of 144; see winograd.cc. Sums are float32, and
// rounded once. Their error is about a millionth of the largest output, two to three times that of plain sums; but it
// goes with the largest value that a tile sees, so that an output beside a much larger one, or of zeros alone, may be
// off by that.
#pragma once

#include <cstdint>

#include "core/nn/convolution.h"

namespace lambda_fast {

// All take shapes that has_winograd (own_kernels.h) takes, one thread each; for a turned kernel, that is the shape of
// the way back. Value: float, or uint16_t for bfloat16.

int64_t winograd_kernel_bytes(const ConvolutionShape& shape);
// Input channels [begin, end). The kernel's values are rounded to Value first, as they are for every other algorithm.
template <class Value>
void transform_kernel(float* transformed, const float* kernel, const ConvolutionShape& shape, int64_t begin,
                      int64_t end);
// Of the convolution that takes output gradients of `shape` back to its input: output channels [begin, end) of `shape`.
template <class Value>
void transform_turned_kernel(float* transformed, const float* kernel, const ConvolutionShape& shape, int64_t begin,
                             int64_t end);

// All of shape.count images, plus `addend` of the output's shape where it is not null. Inf and NaN are where plain sums
// have them.
template <class Value>
void winograd_convolution(Value* output, const Value* input, const float* transformed_kernel, const Value* addend,
                          const ConvolutionShape& shape);

// gradient[3, 3, in_channels, out_channels] over shape.count images, at least one. What is not finite spreads over the
// nine taps of its channel; values beyond a thousandth of float32's range may overflow.
template <class Value>
void winograd_kernel_gradient(float* gradient, const Value* input, const Value* output_gradient,
                              const ConvolutionShape& shape);

}  // namespace lambda_fast
