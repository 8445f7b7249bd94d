// Plain views of memory that others own, in the layout the library speaks: batch, height, width, channel.
#pragma once

#include <cstdint>

namespace lambda_fast {

struct ImageShape {
  int32_t height, width, channels;
  constexpr int64_t elements() const { return int64_t{height} * width * channels; }
};

// uint8 NHWC images with the id of each, dense and row-major.
struct ImageBatchView {
  const uint8_t* pixels;
  const int64_t* sample_ids;
  int64_t count;
  ImageShape shape;
};

enum class FloatType : int32_t { kFloat32, kBFloat16 };

constexpr int64_t element_size(FloatType type) { return type == FloatType::kFloat32 ? 4 : 2; }

struct FloatBatchView {
  void* values;  // NHWC, dense; the spec and the input's shape give its extent
  FloatType type;
};

// (seed, epoch), each one int64 in the memory of the device that runs the work.
struct EpochKeyView {
  const int64_t* seed;
  const int64_t* epoch;
};

}  // namespace lambda_fast
