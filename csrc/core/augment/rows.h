// The CPU's inner loops over rows of pixels, one table of them for each instruction set.
#pragma once

#include <cstdint>

#include "core/augment/colour.h"

namespace lambda_fast {

// Row buffers that these loops read or write must extend this many bytes beyond their last element.
inline constexpr int64_t kRowSlack = 64;

// Channels repeat along a row. Per-channel constants are spread over the least number of values that is a multiple of
// 1 and 3 channels and of every register's width, so that a register always meets the same channels.
inline constexpr int kPattern = 48;

// As many squares of a byte as a 32-bit sum can hold, for each place of the pattern.
inline constexpr int64_t kAccumulateLimit = int64_t{kPattern} << 16;

// Bilinear taps of a whole row: element offset of the left neighbour, and both weights, left in the low 16 bits.
struct ColumnTaps {
  const int32_t* offset;
  const uint32_t* weights;
  int32_t count;
};

struct RowKernels {
  // out = the row's pixels in reverse order.
  void (*flip)(uint8_t* out, const uint8_t* row, int32_t pixels, int32_t channels);

  // Adds `count` values, at most kAccumulateLimit, by their place in the pattern: sum[i % kPattern] += values[i] and
  // square[i % kPattern] += values[i]^2.
  void (*accumulate)(uint32_t* sum, uint32_t* square, const uint8_t* values, int64_t count);

  // out[i] = top[i] * (256 - weight) + bottom[i] * weight - 2^15: all 16 bits, shifted into int16.
  void (*blend_rows)(int16_t* out, const uint8_t* top, const uint8_t* bottom, int32_t weight, int32_t count);

  // The same between neighbouring columns of blend_rows' output, rounded back to uint8.
  void (*blend_columns)(uint8_t* out, const int16_t* row, const ColumnTaps& taps, int32_t channels);

  // out[i] = scale[i % kPattern] * values[i] + shift[i % kPattern]
  void (*scale_float32)(float* out, const uint8_t* values, const float* scale, const float* shift, int64_t count);
  void (*scale_bfloat16)(uint16_t* out, const uint8_t* values, const float* scale, const float* shift, int64_t count);

  // The full colour map of RGB pixels.
  void (*mix_float32)(float* out, const uint8_t* values, const ColourMap& map, int64_t pixels);
  void (*mix_bfloat16)(uint16_t* out, const uint8_t* values, const ColourMap& map, int64_t pixels);
};

// The best table for this machine; LAMBDA_FAST_ISA=portable|avx2|avx512 asks for a lower one.
const RowKernels& row_kernels();

// One for each object that rows.cc is compiled into; the last two on x86 alone.
const RowKernels* row_kernels_portable();
const RowKernels* row_kernels_avx2();
const RowKernels* row_kernels_avx512();

}  // namespace lambda_fast
