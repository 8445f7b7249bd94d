// Two-dimensional convolution and its two gradients: NHWC images, HWIO kernels, on the CPU by kernels of our own and
// oneDNN's (convolve.cc).
//
// A batch is cut into pieces of whole images, each the work of one thread. The cut depends on the shape alone, and so
// do the results: the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/batch_view.h"
#include "core/base/context.h"

namespace lambda_fast {

struct ConvolutionShape {
  int64_t count, height, width, in_channels;  // of the input
  int64_t kernel_height, kernel_width, out_channels;
  int64_t stride[2];                                 // down, across
  int64_t pad_top, pad_bottom, pad_left, pad_right;  // zeros around the input

  int64_t out_height() const { return (height + pad_top + pad_bottom - kernel_height) / stride[0] + 1; }
  int64_t out_width() const { return (width + pad_left + pad_right - kernel_width) / stride[1] + 1; }
  // Of one image, and of the kernel.
  int64_t input_elements() const { return height * width * in_channels; }
  int64_t output_elements() const { return out_height() * out_width() * out_channels; }
  int64_t kernel_elements() const { return kernel_height * kernel_width * in_channels * out_channels; }
  // Multiplications and additions for one image.
  int64_t operations() const {
    return 2 * out_height() * out_width() * out_channels * kernel_height * kernel_width * in_channels;
  }
};

// Holds extents to one another.
//   input    [batch, height, width, in_channels]
//   kernel   [height, width, in_channels, out_channels]
//   strides  down, across
//   padding  top, bottom, left, right
ConvolutionShape check_convolution(const std::vector<int64_t>& input, const std::vector<int64_t>& kernel,
                                   const std::vector<int64_t>& strides, const std::vector<int64_t>& padding);

// Of the output: [batch, out_height, out_width, out_channels].
std::vector<int64_t> output_extents(const ConvolutionShape& shape);

// Activations and their gradients have the type of the call; kernels and their gradients are float32.
void convolve(void* output, const void* input, const float* kernel, FloatType type, const ConvolutionShape& shape,
              const Context& context);
// addend: of the input's shape, added before the sum is rounded or right after; null: nothing is.
void convolve_backward_input(void* input_gradient, const void* output_gradient, const float* kernel, const void* addend,
                             FloatType type, const ConvolutionShape& shape, const Context& context);
void convolve_backward_kernel(float* kernel_gradient, const void* input, const void* output_gradient, FloatType type,
                              const ConvolutionShape& shape, const Context& context);

// "oneDNN 3.2.0", or "" where this build has none and the three above refuse.
std::string convolution_library();

// Whether bfloat16 has arithmetic of its own here (AVX512-BF16 or AMX), and is not slower than float32.
bool has_fast_bfloat16();

}  // namespace lambda_fast
