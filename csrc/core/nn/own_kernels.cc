// The limits of our own kernels.
#include "core/nn/own_kernels.h"

#include <utility>

#include "core/base/isa.h"
#include "core/nn/matrix_tiles.h"

namespace lambda_fast {
namespace {

constexpr int64_t kTaps = 3;
// Input times output channels of a kernel's gradient: beyond, its sums fall out of the second cache, and oneDNN is as
// fast.
constexpr int64_t kMostGradientChannels = 64 * 128;
// Of input and of output: up to here it takes less time than oneDNN, or as long (forward). Beyond, the transformed
// kernel is too large: 47 MB for 512 channels.
constexpr int64_t kMostWinogradChannels = 256;
constexpr int64_t kLeastWinogradSide = 4;  // of the outputs: a tile's

// Beyond, oneDNN's kernels for tiles are as fast or faster: of a band, few rows fit into the first cache.
constexpr int64_t kMostTileChannels = 64;
constexpr int64_t kMostTileRowBytes = 3 << 10;
// Measured up to here: a kernel's gradient takes half of oneDNN's time to nine tenths, and as long for 224 x 224
// images.
constexpr int64_t kMostTileGradientChannels = 512;

bool is_three_by_three(const ConvolutionShape& shape) {
  return shape.kernel_height == kTaps && shape.kernel_width == kTaps;
}

}  // namespace

bool has_dot_products() {
#if defined(__x86_64__)
  static const bool has = chosen_isa() == Isa::kAvx512 && __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

bool has_quick_dot_products() {
#if defined(__x86_64__)
  return has_dot_products() && !__builtin_cpu_is("intel");
#else
  return false;
#endif
}

bool has_kernel_gradient_bf16(const ConvolutionShape& shape) {
  return has_dot_products() && is_three_by_three(shape) && shape.in_channels % 8 == 0 && shape.out_channels % 16 == 0 &&
         shape.in_channels * shape.out_channels <= kMostGradientChannels;
}

bool has_winograd(FloatType type, const ConvolutionShape& shape) {
  const bool is_padded = shape.pad_top >= 0 && shape.pad_bottom >= 0 && shape.pad_left >= 0 && shape.pad_right >= 0;
  const bool has_instructions = type == FloatType::kBFloat16 ? has_dot_products() : chosen_isa() == Isa::kAvx512;
  return has_instructions && is_three_by_three(shape) && shape.stride[0] == 1 && shape.stride[1] == 1 && is_padded &&
         shape.in_channels % 16 == 0 && shape.out_channels % 16 == 0 && shape.in_channels <= kMostWinogradChannels &&
         shape.out_channels <= kMostWinogradChannels && shape.out_height() >= kLeastWinogradSide &&
         shape.out_width() >= kLeastWinogradSide;
}

bool has_tile_convolution_bf16(const ConvolutionShape& shape) {
  const bool is_padded = shape.pad_top >= 0 && shape.pad_bottom >= 0 && shape.pad_left >= 0 && shape.pad_right >= 0;
  const int64_t row_bytes = 2 * (shape.width + shape.pad_left + shape.pad_right) * shape.in_channels;
  return has_matrix_tiles() && is_padded && shape.in_channels % 2 == 0 && shape.out_channels % 16 == 0 &&
         shape.in_channels <= kMostTileChannels && shape.out_channels <= kMostTileChannels &&
         row_bytes <= kMostTileRowBytes;
}

bool has_tile_kernel_gradient_bf16(const ConvolutionShape& shape) {
  return has_matrix_tiles() && is_three_by_three(shape) && shape.stride[0] == 1 && shape.stride[1] == 1 &&
         shape.in_channels % 16 == 0 && shape.out_channels % 16 == 0 &&
         shape.in_channels <= kMostTileGradientChannels && shape.out_channels <= kMostTileGradientChannels;
}

ConvolutionShape turned(const ConvolutionShape& shape) {
  ConvolutionShape back = shape;
  back.height = shape.out_height(), back.width = shape.out_width();
  std::swap(back.in_channels, back.out_channels);
  back.pad_top = shape.kernel_height - 1 - shape.pad_top, back.pad_bottom = shape.kernel_height - 1 - shape.pad_bottom;
  back.pad_left = shape.kernel_width - 1 - shape.pad_left, back.pad_right = shape.kernel_width - 1 - shape.pad_right;
  return back;
}

}  // namespace lambda_fast
