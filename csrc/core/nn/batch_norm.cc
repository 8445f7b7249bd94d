// Batch normalisation on the CPU: blocks of rows that fit the nearest cache, their sums added in order.
#include "core/nn/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <type_traits>

#include "core/base/error.h"
#include "core/nn/batch_norm_rows.h"
#include "core/nn/scratch.h"

namespace lambda_fast {
namespace {

// Elements of a block: read twice for its variance, the second time from the first or second cache.
constexpr int64_t kBlockElements = 16 * 1024;
// At least, so that loading the channels' constants does not count; at most, so that float32 sums stay short.
constexpr int64_t kLeastRows = 32, kMostRows = 1024;
// Elements that a thread takes at once.
constexpr int64_t kGrainElements = 8 * kBlockElements;

struct Blocks {
  int64_t rows, count, total;  // in each, how many, of all
  int64_t grain;               // blocks that a thread takes at once
  explicit Blocks(BatchNormShape shape)
      : rows(std::clamp(kBlockElements / shape.channels, kLeastRows, kMostRows)),
        count((shape.rows + rows - 1) / rows),
        total(shape.rows),
        grain(std::max<int64_t>(1, kGrainElements / (rows * shape.channels))) {}
  int64_t rows_of(int64_t block) const { return std::min(rows, total - block * rows); }
};

// The address of a row; null stays null.
template <class Pointer>
Pointer* at(Pointer* base, int64_t row, int64_t channels, FloatType type) {
  using Bytes = std::conditional_t<std::is_const_v<Pointer>, const char, char>;
  return base ? static_cast<Bytes*>(base) + row * channels * element_size(type) : nullptr;
}

template <class Body>
void for_blocks(const Blocks& blocks, const Context& context, const Body& body) {
  parallel_for_back_and_forth(context, blocks.count, blocks.grain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) body(block);
  });
}

void forward_gains(float* gain, const float* scale, const float* variance, int64_t channels, BatchNormSpec spec) {
  for (int64_t c = 0; c < channels; ++c) {
    gain[c] = static_cast<float>(scale[c] / std::sqrt(static_cast<double>(variance[c]) + spec.epsilon));
  }
}

void apply(void* output, const void* input, const float* scale, const float* offset, const float* mean,
           const float* variance, const void* residual, FloatType type, BatchNormShape shape, BatchNormSpec spec,
           const Context& context) {
  const BatchNormKernels& kernels = batch_norm_kernels(type);
  const int64_t channels = shape.channels;
  auto* gain = static_cast<float*>(scratch(ScratchSlot::kKernel, channels * sizeof(float)));
  forward_gains(gain, scale, variance, channels, spec);
  const Blocks blocks(shape);
  for_blocks(blocks, context, [&](int64_t block) {
    const int64_t row = block * blocks.rows;
    kernels.apply(at(output, row, channels, type), at(input, row, channels, type), at(residual, row, channels, type),
                  gain, mean, offset, spec.relu, blocks.rows_of(block), channels);
  });
}

}  // namespace

BatchNormShape check_batch_norm(const std::vector<int64_t>& input, const std::vector<int64_t>& parameter) {
  require(!input.empty() && parameter.size() == 1, "batch_norm",
          "expected an input [..., channels] and parameters [channels]; found ", input.size(), " and ",
          parameter.size(), " dimensions");
  const int64_t channels = input.back();
  require(channels >= 1 && parameter[0] == channels, "batch_norm", "expected parameters of ", channels,
          " channels, as the input has; found ", parameter[0]);
  return {std::accumulate(input.begin(), input.end() - 1, int64_t{1}, std::multiplies<int64_t>()), channels};
}

void batch_norm(void* output, float* mean, float* variance, const void* input, const float* scale, const float* offset,
                const void* residual, FloatType type, BatchNormShape shape, BatchNormSpec spec,
                const Context& context) {
  require(shape.rows >= 1, "batch_norm", "expected at least one row to take statistics of; found none");
  const BatchNormKernels& kernels = batch_norm_kernels(type);
  const int64_t channels = shape.channels;
  const Blocks blocks(shape);
  // Of each block, for each channel: its mean, and its sum of squares about that mean.
  auto* partial = static_cast<float*>(scratch(ScratchSlot::kPartialSums, blocks.count * 2 * channels * sizeof(float)));
  for_blocks(blocks, context, [&](int64_t block) {
    float* means = partial + block * 2 * channels;
    const void* rows = at(input, block * blocks.rows, channels, type);
    const int64_t count = blocks.rows_of(block);
    kernels.sum(means, rows, count, channels);
    for (int64_t c = 0; c < channels; ++c) means[c] /= static_cast<float>(count);
    kernels.square(means + channels, rows, means, count, channels);
  });
  // Two groups' squares about their common mean (Chan, Golub and LeVeque, 1979).
  auto* running = static_cast<double*>(scratch(ScratchSlot::kPiece, 2 * channels * sizeof(double)));
  std::fill(running, running + 2 * channels, 0.0);
  double counted = 0;
  for (int64_t block = 0; block < blocks.count; ++block) {
    const float* means = partial + block * 2 * channels;
    const auto count = static_cast<double>(blocks.rows_of(block));
    const double share = count / (counted + count);
    for (int64_t c = 0; c < channels; ++c) {
      const double away = means[c] - running[c];
      running[c] += away * share;
      running[channels + c] += means[channels + c] + away * away * counted * share;
    }
    counted += count;
  }
  for (int64_t c = 0; c < channels; ++c) {
    mean[c] = static_cast<float>(running[c]);
    variance[c] = static_cast<float>(running[channels + c] / counted);
  }
  apply(output, input, scale, offset, mean, variance, residual, type, shape, spec, context);
}

void batch_norm_inference(void* output, const void* input, const float* scale, const float* offset, const float* mean,
                          const float* variance, const void* residual, FloatType type, BatchNormShape shape,
                          BatchNormSpec spec, const Context& context) {
  if (shape.rows > 0) {
    apply(output, input, scale, offset, mean, variance, residual, type, shape, spec, context);
  }
}

void batch_norm_backward(void* input_gradient, float* scale_gradient, float* offset_gradient, void* residual_gradient,
                         const void* output_gradient, const void* input, const void* output, const float* scale,
                         const float* offset, const float* mean, const float* variance, FloatType type,
                         BatchNormShape shape, BatchNormSpec spec, const Context& context) {
  require(shape.rows >= 1, "batch_norm", "expected at least one row to take statistics of; found none");
  const BatchNormKernels& kernels = batch_norm_kernels(type);
  const int64_t channels = shape.channels;
  const Blocks blocks(shape);
  const bool has_residual = residual_gradient != nullptr;
  auto* constants = static_cast<float*>(scratch(ScratchSlot::kKernel, 4 * channels * sizeof(float)));
  float *gain = constants, *slope = constants + channels, *shift = constants + 2 * channels,
        *forward_gain = constants + 3 * channels;
  forward_gains(forward_gain, scale, variance, channels, spec);
  ReluMask mask{};
  if (spec.relu && has_residual) mask.output = output;
  if (spec.relu && !has_residual) mask.gain = forward_gain, mask.offset = offset;
  auto* partial = static_cast<float*>(scratch(ScratchSlot::kPartialSums, blocks.count * 2 * channels * sizeof(float)));
  for_blocks(blocks, context, [&](int64_t block) {
    const int64_t row = block * blocks.rows;
    float* sums = partial + block * 2 * channels;
    kernels.backward_sums(sums, sums + channels, at(residual_gradient, row, channels, type),
                          at(output_gradient, row, channels, type), at(input, row, channels, type),
                          {at(mask.output, row, channels, type), mask.gain, mask.offset}, mean, blocks.rows_of(block),
                          channels);
  });
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0, product = 0;
    for (int64_t block = 0; block < blocks.count; ++block) {
      sum += partial[block * 2 * channels + c];
      product += partial[block * 2 * channels + channels + c];
    }
    const double deviation = 1.0 / std::sqrt(static_cast<double>(variance[c]) + spec.epsilon);
    const double whole_gain = scale[c] * deviation;
    offset_gradient[c] = static_cast<float>(sum);
    scale_gradient[c] = static_cast<float>(product * deviation);
    gain[c] = static_cast<float>(whole_gain);
    slope[c] = static_cast<float>(whole_gain * deviation * deviation * product / static_cast<double>(shape.rows));
    shift[c] = static_cast<float>(whole_gain * sum / static_cast<double>(shape.rows));
  }
  // The residual's gradient is what passed relu: no need to look at two tensors for that again.
  const void* gradient = has_residual ? residual_gradient : output_gradient;
  if (has_residual) mask = {};
  for_blocks(blocks, context, [&](int64_t block) {
    const int64_t row = block * blocks.rows;
    kernels.backward_apply(at(input_gradient, row, channels, type), at(gradient, row, channels, type),
                           at(input, row, channels, type), mask, gain, mean, slope, shift, blocks.rows_of(block),
                           channels);
  });
}

}  // namespace lambda_fast
