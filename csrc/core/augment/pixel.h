// One pixel: where it comes from in the source (integers), and how its value becomes the output's float.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/augment/draw.h"
#include "core/augment/spec.h"

namespace lambda_fast {

// Two neighbours along one axis and the weight of the second in 1/256.
struct Tap {
  int32_t first, second, weight;
};

// Half-pixel centres, no antialiasing, the window's edge repeated. Offsets are relative to the window.
LF_HOST_DEVICE Tap bilinear_tap(int32_t index, int32_t output_size, int32_t window_size) {
  const int64_t centre = (int64_t{2} * index + 1) * window_size * 128 + output_size / 2;
  // Almost always 32 bits hold it, and GPUs divide those several times faster.
  int32_t position = centre < (int64_t{1} << 32)
                         ? static_cast<int32_t>(static_cast<uint32_t>(centre) / static_cast<uint32_t>(output_size))
                         : static_cast<int32_t>(centre / output_size);
  position -= 128;
  position = larger(0, smaller(position, (window_size - 1) * 256));
  const int32_t first = position >> 8;
  return {first, smaller(first + 1, window_size - 1), position & 255};
}

LF_HOST_DEVICE uint8_t bilinear(int32_t top_left, int32_t top_right, int32_t bottom_left, int32_t bottom_right,
                                int32_t weight_y, int32_t weight_x) {
  const int32_t left = top_left * (256 - weight_y) + bottom_left * weight_y;
  const int32_t right = top_right * (256 - weight_y) + bottom_right * weight_y;
  return static_cast<uint8_t>((left * (256 - weight_x) + right * weight_x + (1 << 15)) >> 16);
}

// The pixel that a mirrored image shows at `index`, which may lie up to size - 1 beyond either edge.
LF_HOST_DEVICE int32_t reflected(int32_t index, int32_t size) {
  if (index < 0) return -index;
  return index < size ? index : 2 * (size - 1) - index;
}

// The uint8 values of output pixel (y, x), all channels, after geometry and before colour.
template <int channels>
LF_HOST_DEVICE void source_pixel(const AugmentPlan& plan, const Geometry& geometry, const uint8_t* image, int32_t y,
                                 int32_t x, uint8_t* values) {
  const ImageShape& in = plan.input;
  const Window& window = geometry.window;
  const int32_t column = geometry.flip ? plan.output.width - 1 - x : x;
  if (!plan.resizes) {
    int32_t source_y = window.y + y, source_x = window.x + column;
    if (plan.spec.border == Border::kReflect) {
      source_y = reflected(source_y, in.height), source_x = reflected(source_x, in.width);
    }
    const bool padding = source_y < 0 || source_y >= in.height || source_x < 0 || source_x >= in.width;
    const int64_t at = (int64_t{source_y} * in.width + source_x) * channels;
    for (int c = 0; c < channels; ++c) values[c] = padding ? uint8_t{0} : image[at + c];
    return;
  }
  const Tap tap_y = bilinear_tap(y, plan.output.height, window.height);
  const Tap tap_x = bilinear_tap(column, plan.output.width, window.width);
  const uint8_t* top = image + (int64_t{window.y + tap_y.first} * in.width + window.x) * channels;
  const uint8_t* bottom = image + (int64_t{window.y + tap_y.second} * in.width + window.x) * channels;
  const int32_t left = tap_x.first * channels, right = tap_x.second * channels;
  for (int c = 0; c < channels; ++c) {
    values[c] =
        bilinear(top[left + c], top[right + c], bottom[left + c], bottom[right + c], tap_y.weight, tap_x.weight);
  }
}

LF_HOST_DEVICE bool inside(const Window& window, int32_t y, int32_t x) {
  return y >= window.y && y < window.y + window.height && x >= window.x && x < window.x + window.width;
}

// To bfloat16, to nearest, ties to even. Our values are finite.
LF_HOST_DEVICE uint16_t bfloat16_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace lambda_fast
