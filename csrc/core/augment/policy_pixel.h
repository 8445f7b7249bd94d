// The arithmetic of a policy's operations on uint8 pixels, which gives the bytes that Pillow gives.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/augment/policy.h"

namespace lambda_fast {

// Where the pixels of a moved image come from, in 1/65536 pixel: column (x0 + xx * x + xy * y) >> 16, row likewise;
// what lies outside of the image is black.
struct Affine {
  int64_t x0, y0;
  int64_t xx, xy, yx, yy;
};

LF_HOST_DEVICE int64_t fixed_point(double value) { return static_cast<int64_t>(std::floor(value * 65536.0 + 0.5)); }

LF_HOST_DEVICE bool is_affine(PolicyOp op) { return PolicyOp::kShearX <= op && op <= PolicyOp::kRotate; }

// Shears start at the image's corner, rotations (counterclockwise) turn about its middle.
LF_HOST_DEVICE Affine policy_affine(const PolicyStep& step, const PolicyLevel& level, const ImageShape& shape) {
  const double sign = step.negative ? -1.0 : 1.0;
  double xx = 1, xy = 0, x = 0, yx = 0, yy = 1, y = 0;
  if (step.op == PolicyOp::kShearX) xy = sign * level.shear;
  if (step.op == PolicyOp::kShearY) yx = sign * level.shear;
  if (step.op == PolicyOp::kTranslateX) x = -sign * level.translate_x;
  if (step.op == PolicyOp::kTranslateY) y = -sign * level.translate_y;
  if (step.op == PolicyOp::kRotate) {
    const double middle_x = shape.width / 2.0, middle_y = shape.height / 2.0;
    xx = yy = level.cosine, xy = -sign * level.sine, yx = sign * level.sine;
    x = -xx * middle_x - xy * middle_y + middle_x;
    y = -yx * middle_x - yy * middle_y + middle_y;
  }
  return {fixed_point(x + xx * 0.5 + xy * 0.5),
          fixed_point(y + yx * 0.5 + yy * 0.5),
          fixed_point(xx),
          fixed_point(xy),
          fixed_point(yx),
          fixed_point(yy)};
}

// 0: the plain image (black, grey, its mean or its blurred self), 1: the image as it is, above: beyond it.
LF_HOST_DEVICE float enhancement(const PolicyStep& step, const PolicyLevel& level) {
  return static_cast<float>(1.0 + (step.negative ? -level.enhance : level.enhance));
}

LF_HOST_DEVICE uint8_t blended(int32_t plain, int32_t value, float factor) {
  const float result = static_cast<float>(plain) + factor * static_cast<float>(value - plain);
  return result <= 0.0f ? uint8_t{0} : result >= 255.0f ? uint8_t{255} : static_cast<uint8_t>(result);
}

// Rec. 601 luma in 1/65536.
LF_HOST_DEVICE int32_t grey_of(int32_t red, int32_t green, int32_t blue) {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

template <int channels>
LF_HOST_DEVICE int32_t grey_of(const uint8_t* pixel) {
  return channels == 1 ? pixel[0] : grey_of(pixel[0], pixel[channels / 2], pixel[channels - 1]);
}

// The mean of 3 x 3 neighbours with the middle one five times, from their weighted sum.
LF_HOST_DEVICE int32_t smoothed(int32_t sum) { return (2 * sum + 13) / 26; }

// Operations that map each value by itself are tables. One entry of those that ask nothing of the image but its mean
// grey, which contrast alone looks at.
LF_HOST_DEVICE uint8_t table_entry(const PolicyStep& step, const PolicyLevel& level, int32_t mean, int32_t value) {
  switch (step.op) {
    case PolicyOp::kBrightness:
      return blended(0, value, enhancement(step, level));
    case PolicyOp::kContrast:
      return blended(mean, value, enhancement(step, level));
    case PolicyOp::kPosterize:
      return static_cast<uint8_t>(value & (0xFF << (8 - level.bits)));
    case PolicyOp::kSolarize:
      return static_cast<uint8_t>(value >= level.threshold ? 255 - value : value);
    default:
      return static_cast<uint8_t>(value);
  }
}

LF_HOST_DEVICE bool asks_histogram(PolicyOp op) { return op == PolicyOp::kAutoContrast || op == PolicyOp::kEqualize; }

// The table of one channel from its histogram.
LF_HOST_DEVICE void auto_contrast_table(uint8_t* table, const uint32_t* histogram) {
  int32_t low = 0, high = 255;
  while (low < 255 && histogram[low] == 0) ++low;
  while (high > 0 && histogram[high] == 0) --high;
  const bool flat = high <= low;
  const double scale = flat ? 1.0 : 255.0 / (high - low), offset = flat ? 0.0 : -low * scale;
  for (int32_t i = 0; i < 256; ++i) {
    const double value = i * scale + offset;
    table[i] = value <= 0.0 ? uint8_t{0} : value >= 255.0 ? uint8_t{255} : static_cast<uint8_t>(value);
  }
}

LF_HOST_DEVICE void equalize_table(uint8_t* table, const uint32_t* histogram) {
  int64_t total = 0, last = 0;
  for (int32_t i = 0; i < 256; ++i) {
    total += histogram[i];
    if (histogram[i] != 0) last = histogram[i];
  }
  const int64_t step = (total - last) / 255;
  int64_t count = step / 2;
  for (int32_t i = 0; i < 256; ++i) {
    const int64_t value = step == 0 ? i : count / step;
    table[i] = static_cast<uint8_t>(value > 255 ? 255 : value);
    count += histogram[i];
  }
}

}  // namespace lambda_fast
