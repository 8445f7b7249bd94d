// The augmenter's loop on the GPU, around the same draw, colour_map and pixel functions as the CPU's.
//
// One thread writes one pixel, all its channels. With sums, one block owns one image: it makes the cropped pixels once
// for the integer sums and again for the output, because recomputing them from the cache costs less than the round trip
// of a tile through memory. Without sums, an image is spread over as many blocks as fill it. Thread 0 throws the dice
// and folds the colours, in shared memory; the integer sums meet by atomics, whose order cannot matter.
#include <cuda_runtime.h>

#include <algorithm>

#include "core/augment/augment.h"
#include "core/augment/augment_block.cuh"
#include "core/augment/policy_block.cuh"
#include "core/base/cuda_check.cuh"
#include "core/base/error.h"

namespace lambda_fast {
namespace {

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
  const Geometry geometry = dice.geometry;  // from shared memory once
  const int32_t pixels = plan.output.height * plan.output.width;
  const auto fetch = [&](int32_t i, uint8_t* value) {
    source_pixel<channels>(plan, geometry, image, i / plan.output.width, i % plan.output.width, value);
  };
  if (plan.needs_sums) {
    measure<channels>(&moments, pixels, fetch);
    __syncthreads();
  }
  if (threadIdx.x == 0) map = colour_map_of<channels>(plan, dice.colour, moments);
  __syncthreads();

  Out* out = output + index * plan.output.elements();
  for (int32_t i = blockIdx.y * kThreads + threadIdx.x; i < pixels; i += gridDim.y * kThreads) {
    uint8_t value[channels];
    fetch(i, value);
    write_pixel<channels>(out, i, value, plan, geometry.cutout, map);
  }
}

// With a policy, one block owns one image, and works on uint8 pixels in the memory of that image's output, which holds
// two such images or more. In the end they become floats in place: from the last pixel back to the first, because a
// float never lies before the pixel that it comes from.
//
// Grid: x = image.
template <int channels, class Out>
__global__ void __launch_bounds__(kThreads)
    policy_kernel(Out* output, const uint8_t* __restrict__ images, const int64_t* __restrict__ sample_ids,
                  const int64_t* __restrict__ seed, const int64_t* __restrict__ epoch, const AugmentPlan plan) {
  static_assert(sizeof(Out) >= 2, "two uint8 images must fit into an image of the output");
  __shared__ Draw dice;
  __shared__ ColourMap map;
  __shared__ SharedMoments moments;
  __shared__ SharedPolicy policy;
  const int64_t index = blockIdx.x, elements = plan.output.elements();
  const int32_t pixels = plan.output.height * plan.output.width;
  const uint8_t* source = images + index * plan.input.elements();
  const SampleKey key{static_cast<uint64_t>(*seed), static_cast<uint64_t>(sample_ids[index]),
                      static_cast<uint32_t>(*epoch)};
  if (threadIdx.x == 0) {
    dice = draw(plan, key);
    moments = {};
  }
  __syncthreads();
  Out* out = output + index * elements;
  uint8_t* image = reinterpret_cast<uint8_t*>(out);
  for (int32_t i = threadIdx.x; i < pixels; i += kThreads) {
    source_pixel<channels>(plan, dice.geometry, source, i / plan.output.width, i % plan.output.width,
                           image + int64_t{i} * channels);
  }
  __syncthreads();
  const uint8_t* result = apply_policy<channels>(&policy, image, image + elements, plan.output, plan.policy, key);
  if (result != image) {
    for (int64_t i = threadIdx.x; i < elements; i += kThreads) image[i] = result[i];
    __syncthreads();
  }
  const auto fetch = [&](int32_t i, uint8_t* value) {
    for (int c = 0; c < channels; ++c) value[c] = image[int64_t{i} * channels + c];
  };
  if (plan.needs_sums) {
    measure<channels>(&moments, pixels, fetch);
    __syncthreads();
  }
  if (threadIdx.x == 0) map = colour_map_of<channels>(plan, dice.colour, moments);
  for (int32_t begin = (pixels - 1) / kThreads * kThreads; begin >= 0; begin -= kThreads) {
    const int32_t i = begin + threadIdx.x;
    uint8_t value[channels];
    if (i < pixels) fetch(i, value);
    __syncthreads();  // all have read what some are about to overwrite; and the map is there
    if (i < pixels) write_pixel<channels>(out, i, value, plan, dice.geometry.cutout, map);
  }
}

template <int channels, class Out>
void launch(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
            const Context& context) {
  constexpr int64_t kPixelsPerThread = 8;  // spreads the dice, thrown once a block, over enough work
  constexpr int64_t kLargestGridX = 0x7FFFFFFF, kLargestGridY = 65535;
  require(images.count <= kLargestGridX, "augment", "expected a batch of at most ", kLargestGridX, " images; found ",
          images.count);
  const bool policy = plan.policy.steps > 0;
  const int64_t parts =
      plan.needs_sums || policy
          ? 1
          : std::min(kLargestGridY, (plan.pixels() + kThreads * kPixelsPerThread - 1) / (kThreads * kPixelsPerThread));
  const dim3 grid(static_cast<unsigned>(images.count), static_cast<unsigned>(parts));
  const auto kernel = policy ? policy_kernel<channels, Out> : augment_kernel<channels, Out>;
  kernel<<<grid, kThreads, 0, static_cast<cudaStream_t>(context.stream)>>>(
      static_cast<Out*>(output.values), images.pixels, images.sample_ids, key.seed, key.epoch, plan);
  check_cuda(cudaGetLastError(), "augment", "the launch of ", policy ? "policy_kernel" : "augment_kernel");
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
