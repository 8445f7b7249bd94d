// The augmenter's loop on the GPU, around the same draw, colour_map and pixel functions as the CPU's.
//
// One thread writes one pixel, all its channels. With sums, one block owns one image: it makes the cropped pixels once
// for the integer sums and again for the output, because recomputing them from the cache costs less than the round trip
// of a tile through memory. Without sums, an image is spread over as many blocks as fill it. Thread 0 throws the dice
// and folds the colours, in shared memory; the integer sums meet by atomics, whose order cannot matter.
#include <cuda_runtime.h>

#include <algorithm>

#include "core/augment/augment.h"
#include "core/augment/colour.h"
#include "core/augment/pixel.h"
#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr int kThreads = 256;

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    fail(ErrorKind::kInternal, "augment", "expected ", what,
         " to succeed on the GPU, found: ", cudaGetErrorString(status));
  }
}

struct SharedMoments {
  unsigned long long sum[3], product[3][3];
};

__device__ unsigned long long warp_sum(unsigned long long value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xFFFFFFFFu, value, offset);
  return value;
}

__device__ void add_to(unsigned long long* total, unsigned long long value) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0 && value != 0) atomicAdd(total, value);
}

template <int channels>
__device__ void measure(SharedMoments* total, const AugmentPlan& plan, const Geometry& geometry, const uint8_t* image) {
  unsigned long long sum[channels] = {}, product[channels][channels] = {};
  const int32_t pixels = plan.output.height * plan.output.width;
  for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
    uint8_t value[channels];
    source_pixel<channels>(plan, geometry, image, i / plan.output.width, i % plan.output.width, value);
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

__device__ void store(float* out, float value) { *out = value; }
__device__ void store(uint16_t* out, float value) { *out = bfloat16_bits(value); }

// Grid: x = image, y = part of an image (1 when the plan needs sums).
template <int channels, class Out>
__global__ void __launch_bounds__(kThreads)
    augment_kernel(Out* __restrict__ output, const uint8_t* __restrict__ images, const int64_t* __restrict__ sample_ids,
                   const int64_t* __restrict__ seed, const int64_t* __restrict__ epoch, const AugmentPlan plan) {
  __shared__ Draw dice;
  __shared__ ColourMap map;
  __shared__ SharedMoments moments;
  const int64_t index = blockIdx.x;
  const uint8_t* image = images + index * plan.input.elements();
  if (threadIdx.x == 0) {
    dice = draw(
        plan, {static_cast<uint64_t>(*seed), static_cast<uint64_t>(sample_ids[index]), static_cast<uint32_t>(*epoch)});
    moments = {};
  }
  __syncthreads();
  if (plan.needs_sums) {
    measure<channels>(&moments, plan, dice.geometry, image);
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    Moments whole{};
    for (int c = 0; c < channels; ++c) {
      whole.sum[c] = static_cast<int64_t>(moments.sum[c]);
      for (int d = c; d < channels; ++d) whole.product[c][d] = static_cast<int64_t>(moments.product[c][d]);
    }
    map = colour_map(plan, dice.colour, whole);
  }
  __syncthreads();

  const Geometry geometry = dice.geometry;  // from shared memory once
  const int32_t pixels = plan.output.height * plan.output.width;
  Out* out = output + index * plan.output.elements();
  for (int32_t i = blockIdx.y * kThreads + threadIdx.x; i < pixels; i += gridDim.y * kThreads) {
    const int32_t y = i / plan.output.width, x = i % plan.output.width;
    const bool cut = inside(geometry.cutout, y, x);
    uint8_t value[channels];
    source_pixel<channels>(plan, geometry, image, y, x, value);
    for (int c = 0; c < channels; ++c) {
      float result = 0.0f;
      if (!cut) {
        result = channels == 3 && plan.mixes_channels
                     ? mixed(map, c, value[0], value[channels / 2], value[channels - 1])
                     : scaled(map, c, value[c]);
      }
      store(out + int64_t{i} * channels + c, result);
    }
  }
}

template <int channels, class Out>
void launch(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
            const Context& context) {
  constexpr int64_t kPixelsPerThread = 8;  // spreads the dice, thrown once a block, over enough work
  constexpr int64_t kLargestGridX = 0x7FFFFFFF, kLargestGridY = 65535;
  require(images.count <= kLargestGridX, "augment", "expected a batch of at most ", kLargestGridX, " images; found ",
          images.count);
  const int64_t parts =
      plan.needs_sums
          ? 1
          : std::min(kLargestGridY, (plan.pixels() + kThreads * kPixelsPerThread - 1) / (kThreads * kPixelsPerThread));
  const dim3 grid(static_cast<unsigned>(images.count), static_cast<unsigned>(parts));
  augment_kernel<channels, Out><<<grid, kThreads, 0, static_cast<cudaStream_t>(context.stream)>>>(
      static_cast<Out*>(output.values), images.pixels, images.sample_ids, key.seed, key.epoch, plan);
  check(cudaGetLastError(), "the launch of augment_kernel");
}

}  // namespace

void augment_cuda(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
                  const Context& context) {
  if (images.count == 0) return;
  const bool wide = output.type == FloatType::kFloat32;
  if (plan.output.channels == 3) {
    wide ? launch<3, float>(output, images, key, plan, context)
         : launch<3, uint16_t>(output, images, key, plan, context);
  } else {
    wide ? launch<1, float>(output, images, key, plan, context)
         : launch<1, uint16_t>(output, images, key, plan, context);
  }
}

}  // namespace lambda_fast
