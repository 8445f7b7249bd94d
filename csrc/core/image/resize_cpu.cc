// Resizing on the CPU: images over threads; in each, rows first and then columns, so that both passes read along rows.
//
// An output row's source rows are weighed into one int16 row, a few KB that stay in the cache, and that row is weighed
// along itself. Traffic: each source byte once from memory, then from L1 or L2 for the outputs that share it.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/base/error.h"
#include "core/base/isa.h"
#include "core/image/resize.h"
#include "core/image/resize_rows.h"

namespace lambda_fast {

const ResizeKernels& resize_kernels() {
  switch (chosen_isa()) {
#if defined(__x86_64__)
    case Isa::kAvx512:
      return *resize_kernels_avx512();
    case Isa::kAvx2:
      return *resize_kernels_avx2();
#endif
    default:
      return *resize_kernels_portable();
  }
}

// In units of 1 / (2 * output_size) of a source pixel everything is whole: output i is centred at (2 i + 1) * source,
// source pixel t at (2 t + 1) * output, and the triangle reaches 2 * output or 2 * source to either side.
void triangle_filter(int32_t source_size, int32_t output_size, bool antialias, AxisFilter& filter) {
  const int64_t source = source_size, output = output_size;
  const int64_t reach = 2 * (antialias ? std::max(source, output) : output);
  const int64_t most = (reach + output - 1) / output;  // pixels within the open interval
  filter.taps = static_cast<int32_t>((most + 1) / 2 * 2);
  filter.first.resize(output);
  filter.count.resize(output);
  filter.weights.assign(output * filter.taps, 0);
  for (int64_t i = 0; i < output; ++i) {
    const int64_t centre = (2 * i + 1) * source;
    const auto height = [&](int64_t t) { return reach - std::abs((2 * t + 1) * output - centre); };
    int64_t first = std::max<int64_t>(0, (centre - reach) / (2 * output) - 1);
    while (height(first) <= 0) ++first;
    int64_t total = 0, last = first;
    for (; last < source && height(last) > 0; ++last) total += height(last);
    filter.first[i] = static_cast<int32_t>(first);
    filter.count[i] = static_cast<int32_t>(last - first);
    // Rounding the running sum, not each weight, makes them sum to one exactly.
    int16_t* weights = filter.weights.data() + i * filter.taps;
    int64_t sum = 0, before = 0;
    for (int64_t t = first; t < last; ++t) {
      sum += height(t);
      const int64_t now = ((sum << kWeightBits) * 2 + total) / (2 * total);
      *weights++ = static_cast<int16_t>(now - before);
      before = now;
    }
  }
}

namespace {

// Lays the plan's filter out for groups of pixels, where the values of each fit into the registers.
void plan_columns(ColumnPlan& plan) {
  const AxisFilter& filter = *plan.filter;
  const int32_t count = static_cast<int32_t>(filter.first.size()), pairs = filter.taps / 2;
  plan.in_registers = plan.channels == 3;
  for (int32_t x = 0; x < count && plan.in_registers; x += kPixelGroup) {
    const int32_t last = std::min(x + kPixelGroup, count) - 1;
    plan.in_registers = (filter.first[last] - filter.first[x] + filter.taps) * 3 <= kPickedValues;
  }
  if (!plan.in_registers) return;
  const size_t size = static_cast<size_t>((count + kPixelGroup - 1) / kPixelGroup) * pairs * 32;
  plan.weights.assign(size, 0);
  plan.positions.assign(size, 0);
  for (int32_t x = 0; x < count; ++x) {
    const int32_t group = x / kPixelGroup, slot = x % kPixelGroup;
    const int32_t position = (filter.first[x] - filter.first[group * kPixelGroup]) * 3;
    for (int32_t k = 0; k < pairs; ++k) {
      const int16_t* weight = filter.weights.data() + x * filter.taps + 2 * k;
      const int64_t at = (int64_t{group} * pairs + k) * 32 + slot * 6;
      for (int32_t c = 0; c < 3; ++c) {
        for (int32_t tap = 0; tap < 2; ++tap) {
          plan.weights[at + 2 * c + tap] = weight[tap];
          plan.positions[at + 2 * c + tap] = static_cast<int16_t>(position + 3 * (2 * k + tap) + c);
        }
      }
    }
  }
}

// One thread's work on one image after the other; its buffers are kept.
class Resizer {
 public:
  void resize(uint8_t* output, const ImageShape& shape, const ImageView& image, const Window& window, bool antialias) {
    const ResizeKernels& kernels = resize_kernels();
    triangle_filter(window.height, shape.height, antialias, vertical_);
    triangle_filter(window.width, shape.width, antialias, horizontal_);
    plan_.filter = &horizontal_;
    plan_.channels = shape.channels;
    plan_.in_registers = false;
    if (kernels.weighs_groups) plan_columns(plan_);
    const int32_t values = window.width * shape.channels;
    const size_t slack = static_cast<size_t>(horizontal_.taps) * shape.channels + kResizeSlack;
    if (row_.size() < values + slack) row_.resize(values + slack);
    const int64_t stride = int64_t{image.shape.width} * shape.channels;
    const uint8_t* corner = image.pixels + window.y * stride + int64_t{window.x} * shape.channels;
    for (int32_t y = 0; y < shape.height; ++y) {
      kernels.weigh_rows(row_.data(), corner + vertical_.first[y] * stride, stride,
                         vertical_.weights.data() + int64_t{y} * vertical_.taps, vertical_.count[y], values);
      kernels.weigh_columns(output + int64_t{y} * shape.width * shape.channels, row_.data(), plan_);
    }
  }

 private:
  AxisFilter vertical_, horizontal_;
  ColumnPlan plan_;
  std::vector<int16_t> row_;
};

}  // namespace

void check_window(const Window& window, const ImageShape& image) {
  require(window.height >= 1 && window.width >= 1 && window.y >= 0 && window.x >= 0 && window.height <= image.height &&
              window.y <= image.height - window.height && window.width <= image.width &&
              window.x <= image.width - window.width,
          "resize", "expected a window inside of an image of ", image.height, 'x', image.width, "; found rows from ",
          window.y, ", ", window.height, " of them, and columns from ", window.x, ", ", window.width, " of them");
}

void resize_cpu(uint8_t* output, const ImageShape& output_shape, const ImageView* images, const Window* windows,
                int64_t count, bool antialias, const Context& context) {
  parallel_for(context, count, 1, [&](int64_t begin, int64_t end) {
    thread_local Resizer resizer;
    for (int64_t i = begin; i < end; ++i) {
      resizer.resize(output + i * output_shape.elements(), output_shape, images[i], windows[i], antialias);
    }
  });
}

}  // namespace lambda_fast
