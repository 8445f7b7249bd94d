// What a convolution's operands must be to one another, whoever computes it.
#include "core/nn/convolution.h"

#include <sstream>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

std::string text_of(const std::vector<int64_t>& extents) {
  std::ostringstream text;
  text << '[';
  for (size_t i = 0; i < extents.size(); ++i) text << (i ? "," : "") << extents[i];
  text << ']';
  return text.str();
}

}  // namespace

ConvolutionShape check_convolution(const std::vector<int64_t>& input, const std::vector<int64_t>& kernel,
                                   const std::vector<int64_t>& strides, const std::vector<int64_t>& padding) {
  require(input.size() == 4, "conv2d", "expected an input [batch, height, width, channels]; found ", text_of(input));
  require(kernel.size() == 4, "conv2d", "expected a kernel [height, width, in_channels, out_channels]; found ",
          text_of(kernel));
  require(strides.size() == 2 && strides[0] >= 1 && strides[1] >= 1, "conv2d",
          "expected two strides of at least 1; found ", text_of(strides));
  require(padding.size() == 4, "conv2d", "expected padding [top, bottom, left, right]; found ", text_of(padding));
  for (const int64_t pad : padding) {
    require(pad >= 0, "conv2d", "expected padding of at least 0; found ", text_of(padding));
  }
  for (const int64_t extent : kernel) {
    require(extent >= 1, "conv2d", "expected a kernel without empty dimensions; found ", text_of(kernel));
  }
  require(input[0] >= 0 && input[1] >= 1 && input[2] >= 1, "conv2d", "expected images of at least one pixel; found ",
          text_of(input));
  require(input[3] == kernel[2], "conv2d", "expected an input of ", kernel[2], " channels, as the kernel ",
          text_of(kernel), " has; found ", text_of(input));
  const ConvolutionShape shape{input[0],   input[1],   input[2],   input[3],
                               kernel[0],  kernel[1],  kernel[3],  {strides[0], strides[1]},
                               padding[0], padding[1], padding[2], padding[3]};
  require(input[1] + padding[0] + padding[1] >= kernel[0] && input[2] + padding[2] + padding[3] >= kernel[1], "conv2d",
          "expected an input with padding no smaller than the kernel ", text_of(kernel), "; found ", text_of(input),
          " and padding ", text_of(padding));
  return shape;
}

std::vector<int64_t> output_extents(const ConvolutionShape& shape) {
  return {shape.count, shape.out_height(), shape.out_width(), shape.out_channels};
}

}  // namespace lambda_fast
