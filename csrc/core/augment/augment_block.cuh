// What one block of threads does for one image on the GPU: sums over its pixels, and colours on the way out.
#pragma once

#include <cuda_runtime.h>

#include "core/augment/colour.h"
#include "core/augment/pixel.h"

namespace lambda_fast {

inline constexpr int kThreads = 256;

struct SharedMoments {
  unsigned long long sum[3], product[3][3];
};

// Adds each thread's value to a total in shared memory. All threads of a warp must call it.
__device__ inline void add_to(unsigned long long* total, unsigned long long value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xFFFFFFFFu, value, offset);
  if (threadIdx.x % 32 == 0 && value != 0) atomicAdd(total, value);
}

// `fetch(i, value)` gives the channels of pixel i.
template <int channels, class Fetch>
__device__ void measure(SharedMoments* total, int32_t pixels, Fetch&& fetch) {
  unsigned long long sum[channels] = {}, product[channels][channels] = {};
  for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
    uint8_t value[channels];
    fetch(i, value);
    for (int c = 0; c < channels; ++c) {
      sum[c] += value[c];
      for (int d = c; d < channels; ++d) product[c][d] += uint32_t{value[c]} * value[d];
    }
  }
  for (int c = 0; c < channels; ++c) {
    add_to(&total->sum[c], sum[c]);
    for (int d = c; d < channels; ++d) add_to(&total->product[c][d], product[c][d]);
  }
}

template <int channels>
__device__ ColourMap colour_map_of(const AugmentPlan& plan, const Colour& colour, const SharedMoments& moments) {
  Moments whole{};
  for (int c = 0; c < channels; ++c) {
    whole.sum[c] = static_cast<int64_t>(moments.sum[c]);
    for (int d = c; d < channels; ++d) whole.product[c][d] = static_cast<int64_t>(moments.product[c][d]);
  }
  return colour_map(plan, colour, whole);
}

__device__ inline void store(float* out, float value) { *out = value; }
__device__ inline void store(uint16_t* out, float value) { *out = bfloat16_bits(value); }

// Pixel i of the output from its uint8 values.
template <int channels, class Out>
__device__ void write_pixel(Out* out, int32_t i, const uint8_t* value, const AugmentPlan& plan, const Window& cutout,
                            const ColourMap& map) {
  const bool cut = inside(cutout, i / plan.output.width, i % plan.output.width);
  for (int c = 0; c < channels; ++c) {
    float result = 0.0f;
    if (!cut) {
      result = channels == 3 && plan.mixes_channels ? mixed(map, c, value[0], value[channels / 2], value[channels - 1])
                                                    : scaled(map, c, value[c]);
    }
    store(out + int64_t{i} * channels + c, result);
  }
}

}  // namespace lambda_fast
