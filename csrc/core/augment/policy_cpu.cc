// A random policy's loops on the CPU.
#include "core/augment/policy_cpu.h"

#include <algorithm>
#include <cstring>

#include "core/augment/policy_pixel.h"

namespace lambda_fast {
namespace {

template <int channels>
void move(uint8_t* out, const uint8_t* image, const ImageShape& shape, const Affine& from) {
  for (int64_t y = 0; y < shape.height; ++y) {
    int64_t source_x = from.x0 + from.xy * y, source_y = from.y0 + from.yy * y;
    for (int32_t x = 0; x < shape.width; ++x, out += channels) {
      const int64_t column = source_x >> 16, row = source_y >> 16;
      const bool shown = 0 <= column && column < shape.width && 0 <= row && row < shape.height;
      const uint8_t* pixel = image + (shown ? (row * shape.width + column) * channels : 0);
      for (int c = 0; c < channels; ++c) out[c] = shown ? pixel[c] : uint8_t{0};
      source_x += from.xx, source_y += from.yx;
    }
  }
}

template <int channels>
int32_t mean_grey(const uint8_t* image, int64_t pixels) {
  int64_t sum = 0;
  for (int64_t i = 0; i < pixels; ++i) sum += grey_of<channels>(image + i * channels);
  return static_cast<int32_t>((2 * sum + pixels) / (2 * pixels));
}

template <int channels>
void map_values(uint8_t* image, const ImageShape& shape, const PolicyStep& step, const PolicyLevel& level) {
  const int64_t pixels = int64_t{shape.height} * shape.width;
  uint8_t table[channels][256];
  if (asks_histogram(step.op)) {
    uint32_t histogram[channels][256] = {};
    for (int64_t i = 0; i < pixels; ++i) {
      for (int c = 0; c < channels; ++c) ++histogram[c][image[i * channels + c]];
    }
    const auto make = step.op == PolicyOp::kEqualize ? equalize_table : auto_contrast_table;
    for (int c = 0; c < channels; ++c) make(table[c], histogram[c]);
  } else {
    const int32_t mean = step.op == PolicyOp::kContrast ? mean_grey<channels>(image, pixels) : 0;
    for (int32_t i = 0; i < 256; ++i) {
      const uint8_t entry = table_entry(step, level, mean, i);
      for (int c = 0; c < channels; ++c) table[c][i] = entry;
    }
  }
  for (int64_t i = 0; i < pixels; ++i) {
    for (int c = 0; c < channels; ++c) image[i * channels + c] = table[c][image[i * channels + c]];
  }
}

void colour(uint8_t* image, int64_t pixels, float factor) {
  for (uint8_t* pixel = image; pixel != image + pixels * 3; pixel += 3) {
    const int32_t grey = grey_of<3>(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = blended(grey, pixel[c], factor);
  }
}

// The image's edge stays as it is.
void sharpen(uint8_t* out, const uint8_t* image, const ImageShape& shape, float factor) {
  const int64_t row = int64_t{shape.width} * shape.channels, step = shape.channels;
  std::memcpy(out, image, static_cast<size_t>(shape.elements()));
  for (int32_t y = 1; y < shape.height - 1; ++y) {
    const uint8_t *middle = image + y * row, *above = middle - row, *below = middle + row;
    for (int64_t i = step; i < row - step; ++i) {
      const int32_t sum = above[i - step] + above[i] + above[i + step] + middle[i - step] + 5 * middle[i] +
                          middle[i + step] + below[i - step] + below[i] + below[i + step];
      out[y * row + i] = blended(smoothed(sum), middle[i], factor);
    }
  }
}

template <int channels>
uint8_t* apply(uint8_t* image, uint8_t* spare, const ImageShape& shape, const PolicyPlan& plan, const SampleKey& key) {
  for (int32_t i = 0; i < plan.steps; ++i) {
    const PolicyStep step = draw_policy_step(plan, key, i);
    const PolicyLevel& level = plan.levels[step.level];
    if (step.op == PolicyOp::kIdentity) {
      continue;
    } else if (is_affine(step.op)) {
      move<channels>(spare, image, shape, policy_affine(step, level, shape));
      std::swap(image, spare);
    } else if (step.op == PolicyOp::kColor) {
      if (channels == 3) colour(image, int64_t{shape.height} * shape.width, enhancement(step, level));
    } else if (step.op == PolicyOp::kSharpness) {
      sharpen(spare, image, shape, enhancement(step, level));
      std::swap(image, spare);
    } else {
      map_values<channels>(image, shape, step, level);
    }
  }
  return image;
}

}  // namespace

uint8_t* apply_policy_cpu(uint8_t* image, uint8_t* spare, const ImageShape& shape, const PolicyPlan& plan,
                          const SampleKey& key) {
  return shape.channels == 3 ? apply<3>(image, spare, shape, plan, key) : apply<1>(image, spare, shape, plan, key);
}

}  // namespace lambda_fast
