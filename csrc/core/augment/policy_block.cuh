// A random policy on the GPU: one block runs the operations on one image, between two buffers in global memory.
//
// An image's buffers are at most a few hundred kilobytes, which stay in the L2 cache between two operations.
#pragma once

#include "core/augment/augment_block.cuh"
#include "core/augment/policy_pixel.h"

namespace lambda_fast {

struct SharedPolicy {
  uint32_t histogram[3][256];
  uint8_t table[3][256];
  unsigned long long grey;
};

template <int channels>
__device__ void move_pixels(uint8_t* out, const uint8_t* image, const ImageShape& shape, const Affine& from) {
  const int32_t pixels = shape.height * shape.width;
  for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
    const int64_t y = i / shape.width, x = i % shape.width;
    const int64_t column = (from.x0 + from.xx * x + from.xy * y) >> 16;
    const int64_t row = (from.y0 + from.yx * x + from.yy * y) >> 16;
    const bool shown = 0 <= column && column < shape.width && 0 <= row && row < shape.height;
    for (int c = 0; c < channels; ++c) {
      out[int64_t{i} * channels + c] = shown ? image[(row * shape.width + column) * channels + c] : uint8_t{0};
    }
  }
}

template <int channels>
__device__ void make_tables(SharedPolicy* shared, const uint8_t* image, const ImageShape& shape, const PolicyStep& step,
                            const PolicyLevel& level) {
  const int32_t pixels = shape.height * shape.width;
  if (asks_histogram(step.op)) {
    for (int32_t i = threadIdx.x; i < channels * 256; i += kThreads) shared->histogram[i / 256][i % 256] = 0;
    __syncthreads();
    for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
      for (int c = 0; c < channels; ++c) atomicAdd(&shared->histogram[c][image[int64_t{i} * channels + c]], 1u);
    }
    __syncthreads();
    const int c = threadIdx.x / 32;  // one warp a channel, of which one thread works: 256 entries are soon made
    if (c < channels && threadIdx.x % 32 == 0) {
      if (step.op == PolicyOp::kEqualize) {
        equalize_table(shared->table[c], shared->histogram[c]);
      } else {
        auto_contrast_table(shared->table[c], shared->histogram[c]);
      }
    }
    return;
  }
  int32_t mean = 0;
  if (step.op == PolicyOp::kContrast) {
    if (threadIdx.x == 0) shared->grey = 0;
    __syncthreads();
    unsigned long long sum = 0;
    for (int32_t i = threadIdx.x; i < pixels; i += kThreads) sum += grey_of<channels>(image + int64_t{i} * channels);
    add_to(&shared->grey, sum);
    __syncthreads();
    mean = static_cast<int32_t>((2 * static_cast<int64_t>(shared->grey) + pixels) / (2 * int64_t{pixels}));
  }
  for (int32_t i = threadIdx.x; i < 256; i += kThreads) {
    const uint8_t entry = table_entry(step, level, mean, i);
    for (int c = 0; c < channels; ++c) shared->table[c][i] = entry;
  }
}

__device__ inline void colour_pixels(uint8_t* image, int32_t pixels, float factor) {
  for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
    uint8_t* pixel = image + int64_t{i} * 3;
    const int32_t grey = grey_of<3>(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = blended(grey, pixel[c], factor);
  }
}

template <int channels>
__device__ void sharpen_pixels(uint8_t* out, const uint8_t* image, const ImageShape& shape, float factor) {
  const int64_t row = int64_t{shape.width} * channels;
  for (int32_t i = threadIdx.x; i < shape.height * shape.width; i += kThreads) {
    const int32_t y = i / shape.width, x = i % shape.width;
    const bool edge = y == 0 || x == 0 || y == shape.height - 1 || x == shape.width - 1;
    for (int c = 0; c < channels; ++c) {
      const uint8_t* at = image + int64_t{i} * channels + c;
      int32_t value = *at;
      if (!edge) {
        int32_t sum = 4 * value;
        for (int dy = -1; dy <= 1; ++dy) {
          for (int dx = -1; dx <= 1; ++dx) sum += at[dy * row + dx * channels];
        }
        value = blended(smoothed(sum), value, factor);
      }
      out[int64_t{i} * channels + c] = static_cast<uint8_t>(value);
    }
  }
}

// Runs the operations that `key` draws. All threads of the block call it; returns the buffer that holds the result,
// which they all may read.
template <int channels>
__device__ uint8_t* apply_policy(SharedPolicy* shared, uint8_t* image, uint8_t* spare, const ImageShape& shape,
                                 const PolicyPlan& plan, const SampleKey& key) {
  const int32_t pixels = shape.height * shape.width;
  for (int32_t k = 0; k < plan.steps; ++k) {
    const PolicyStep step = draw_policy_step(plan, key, k);  // the same in all threads
    const PolicyLevel& level = plan.levels[step.level];
    if (step.op == PolicyOp::kIdentity) continue;
    if (is_affine(step.op) || step.op == PolicyOp::kSharpness) {
      if (step.op == PolicyOp::kSharpness) {
        sharpen_pixels<channels>(spare, image, shape, enhancement(step, level));
      } else {
        move_pixels<channels>(spare, image, shape, policy_affine(step, level, shape));
      }
      uint8_t* result = spare;
      spare = image, image = result;
    } else if (step.op == PolicyOp::kColor) {
      if (channels == 3) colour_pixels(image, pixels, enhancement(step, level));
    } else {
      make_tables<channels>(shared, image, shape, step, level);
      __syncthreads();
      for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
        for (int c = 0; c < channels; ++c) {
          uint8_t* value = image + int64_t{i} * channels + c;
          *value = shared->table[c][*value];
        }
      }
    }
    __syncthreads();
  }
  return image;
}

}  // namespace lambda_fast
