// Convolution on the CPU: which kernel takes which shape, and a batch cut into pieces for them.
#include <algorithm>
#include <cstring>

#include "core/nn/convolution.h"
#include "core/nn/kernel_gradient_bf16.h"
#include "core/nn/onednn_convolution.h"
#include "core/nn/own_kernels.h"
#include "core/nn/scratch.h"
#include "core/nn/tile_convolution_bf16.h"
#include "core/nn/tile_kernel_gradient_bf16.h"
#include "core/nn/winograd.h"

namespace lambda_fast {
namespace {

// Operations that make a piece: a tenth of a millisecond or so, long against the hand-over to another thread and short
// against the step.
constexpr int64_t kPieceOperations = 40'000'000;

// Of the plain sum, where Winograd's takes less time: shorter pieces, so that threads end together.
constexpr int64_t kTransformedOperations = 20'000'000;

// Kernel gradients are summed by parts of the batch, which costs a pass over each part's sum.
constexpr int64_t kMostParts = 8;
constexpr int64_t kPartBytes = 4 << 20;

// Values of a kernel's gradient that a thread takes at a time.
constexpr int64_t kGrain = 1 << 13;

// Input channels of a kernel that are transformed at a time.
constexpr int64_t kRowsOfKernel = 16;

// Below: which of our own kernels may take a shape. Those of the instructions that oneDNN itself would use.

bool has_bfloat16_without_tiles() {
  static const bool has = has_fast_bfloat16() && !onednn_has_matrix_tiles();
  return has;
}

bool prefers_dot_products(FloatType type) {
  return type == FloatType::kBFloat16 && has_bfloat16_without_tiles() && has_quick_dot_products();
}

// Whether bfloat16's values are computed with in float32.
bool is_widened(FloatType type) {
  return type == FloatType::kBFloat16 && has_bfloat16_without_tiles() && has_dot_products() &&
         !has_quick_dot_products();
}

bool prefers_tiles(FloatType type) {
  static const bool prefers = onednn_has_matrix_tiles();
  return type == FloatType::kBFloat16 && prefers;
}

// A quarter of the multiplications, in float32: less time than dot products take, be they twice as quick.
bool prefers_winograd(FloatType type) {
  static const bool has_avx512 = onednn_has_avx512();
  return type == FloatType::kFloat32 ? has_avx512 : has_bfloat16_without_tiles();
}

Arithmetic arithmetic_of(FloatType type) { return is_widened(type) ? Arithmetic::kWidened : Arithmetic::kOfTheirType; }

bool is_unstrided(const ConvolutionShape& shape) { return shape.stride[0] == 1 && shape.stride[1] == 1; }

// Images of each piece; the last piece may hold fewer.
int64_t images_per_piece(const ConvolutionShape& shape, int64_t operations = kPieceOperations) {
  const int64_t most = std::max<int64_t>(1, operations / std::max<int64_t>(1, shape.operations()));
  const int64_t pieces = (shape.count + most - 1) / most;
  return (shape.count + pieces - 1) / pieces;
}

//   shape  of the convolution; `mapped` is that of the way that is computed
template <class Value>
void by_winograd(void* to, const void* from, const float* kernel, const void* addend, bool forward,
                 const ConvolutionShape& shape, const ConvolutionShape& mapped, const Context& context) {
  auto* transformed = static_cast<float*>(scratch(ScratchSlot::kKernel, winograd_kernel_bytes(shape)));
  parallel_for(context, mapped.in_channels, kRowsOfKernel, [&](int64_t begin, int64_t end) {
    (forward ? transform_kernel<Value> : transform_turned_kernel<Value>)(transformed, kernel, shape, begin, end);
  });
  const int64_t to_image = mapped.output_elements(), from_image = mapped.input_elements();
  const int64_t piece = images_per_piece(mapped, kTransformedOperations);
  parallel_for_back_and_forth(context, shape.count, piece, [&](int64_t begin, int64_t end) {
    ConvolutionShape images = mapped;
    images.count = end - begin;
    winograd_convolution(static_cast<Value*>(to) + begin * to_image,
                         static_cast<const Value*>(from) + begin * from_image, transformed,
                         addend ? static_cast<const Value*>(addend) + begin * to_image : nullptr, images);
  });
}

//   shape, mapped  as by_winograd's
void by_tiles(uint16_t* to, const uint16_t* from, const float* kernel, const uint16_t* addend, bool forward,
              const ConvolutionShape& shape, const ConvolutionShape& mapped, const Context& context) {
  auto* packed = static_cast<uint16_t*>(scratch(ScratchSlot::kKernel, tile_kernel_bytes(mapped)));
  (forward ? pack_tile_kernel_bf16 : pack_turned_tile_kernel_bf16)(packed, kernel, shape);
  const int64_t to_image = mapped.output_elements(), from_image = mapped.input_elements();
  parallel_for_back_and_forth(context, shape.count, images_per_piece(shape), [&](int64_t begin, int64_t end) {
    ConvolutionShape images = mapped;
    images.count = end - begin;
    tile_convolution_bf16(to + begin * to_image, from + begin * from_image, packed,
                          addend ? addend + begin * to_image : nullptr, images);
  });
}

// Forward and backward to the input differ in nothing but the direction.
void map_images(bool forward, void* to, const void* from, const float* kernel, const void* addend, FloatType type,
                const ConvolutionShape& shape, const Context& context) {
  if (shape.count == 0) return;
  const ConvolutionShape mapped = forward ? shape : turned(shape);
  if (prefers_winograd(type) && is_unstrided(shape) && has_winograd(type, mapped)) {
    const auto run = type == FloatType::kFloat32 ? by_winograd<float> : by_winograd<uint16_t>;
    run(to, from, kernel, addend, forward, shape, mapped, context);
  } else if (prefers_tiles(type) && (forward || is_unstrided(shape)) && has_tile_convolution_bf16(mapped)) {
    by_tiles(static_cast<uint16_t*>(to), static_cast<const uint16_t*>(from), kernel,
             static_cast<const uint16_t*>(addend), forward, shape, mapped, context);
  } else {
    map_images_by_onednn(forward, to, from, kernel, addend, type, arithmetic_of(type), shape, images_per_piece(shape),
                         context);
  }
}

enum class Algorithm { kOneDnn, kWinograd, kTiles, kPairs };

Algorithm algorithm_of_gradient(FloatType type, const ConvolutionShape& shape) {
  if (prefers_winograd(type) && has_winograd(type, shape)) return Algorithm::kWinograd;
  if (prefers_tiles(type) && has_tile_kernel_gradient_bf16(shape)) return Algorithm::kTiles;
  if (prefers_dot_products(type) && has_kernel_gradient_bf16(shape)) return Algorithm::kPairs;
  return Algorithm::kOneDnn;
}

// gradient[kernel] over all of these images. One thread.
void sum_gradient(Algorithm algorithm, float* sum, const void* input, const void* output_gradient, FloatType type,
                  const ConvolutionShape& images) {
  const auto *x = static_cast<const uint16_t*>(input), *dy = static_cast<const uint16_t*>(output_gradient);
  switch (algorithm) {
    case Algorithm::kOneDnn:
      return sum_gradient_by_onednn(sum, input, output_gradient, type, arithmetic_of(type), images);
    case Algorithm::kWinograd:
      if (type == FloatType::kBFloat16) return winograd_kernel_gradient(sum, x, dy, images);
      return winograd_kernel_gradient(sum, static_cast<const float*>(input), static_cast<const float*>(output_gradient),
                                      images);
    case Algorithm::kTiles:
      return tile_kernel_gradient_bf16(sum, x, dy, images);
    case Algorithm::kPairs:
      std::memset(sum, 0, images.kernel_elements() * sizeof(float));
      return add_kernel_gradient_bf16(sum, x, dy, images);
  }
}

}  // namespace

void convolve(void* output, const void* input, const float* kernel, FloatType type, const ConvolutionShape& shape,
              const Context& context) {
  map_images(true, output, input, kernel, nullptr, type, shape, context);
}

void convolve_backward_input(void* input_gradient, const void* output_gradient, const float* kernel, const void* addend,
                             FloatType type, const ConvolutionShape& shape, const Context& context) {
  map_images(false, input_gradient, output_gradient, kernel, addend, type, shape, context);
}

void convolve_backward_kernel(float* kernel_gradient, const void* input, const void* output_gradient, FloatType type,
                              const ConvolutionShape& shape, const Context& context) {
  const int64_t elements = shape.kernel_elements();
  if (shape.count == 0) {
    std::memset(kernel_gradient, 0, elements * sizeof(float));
    return;
  }
  const int64_t wanted = shape.operations() * shape.count / kPieceOperations;
  const int64_t most = std::min({std::max<int64_t>(2, kPartBytes / (elements * 4)), kMostParts, shape.count});
  int64_t parts = 1;
  while (parts < wanted && 2 * parts <= most) parts *= 2;  // so that as many threads have equal shares
  const int64_t piece = (shape.count + parts - 1) / parts;
  parts = (shape.count + piece - 1) / piece;
  const Algorithm algorithm = algorithm_of_gradient(type, shape);
  const int64_t input_bytes = shape.input_elements() * element_size(type);
  const int64_t output_bytes = shape.output_elements() * element_size(type);
  const auto *inputs = static_cast<const char*>(input), *gradients = static_cast<const char*>(output_gradient);
  float* sums = static_cast<float*>(scratch(ScratchSlot::kPartialSums, parts * elements * sizeof(float)));
  parallel_for_back_and_forth(context, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      ConvolutionShape images = shape;
      images.count = std::min(piece, shape.count - part * piece);
      sum_gradient(algorithm, parts == 1 ? kernel_gradient : sums + part * elements,
                   inputs + part * piece * input_bytes, gradients + part * piece * output_bytes, type, images);
    }
  });
  if (parts == 1) return;
  parallel_for(context, elements, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernel_gradient[i] = sums[i] + sums[elements + i];
    for (int64_t part = 2; part < parts; ++part) {
      const float* more = sums + part * elements;
      for (int64_t i = begin; i < end; ++i) kernel_gradient[i] += more[i];
    }
  });
}

bool has_fast_bfloat16() { return onednn_has_bfloat16(); }

}  // namespace lambda_fast
