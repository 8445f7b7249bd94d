// The inner loops of resizing, one table of them for each instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "core/image/resize.h"

namespace lambda_fast {

// Between the two passes values carry this many bits below the point.
inline constexpr int kRowBits = 6;

// Row buffers extend this many values, and as many pixels as a filter has taps, beyond their last value.
inline constexpr int64_t kResizeSlack = 64;

// A horizontal filter laid out for whole registers: five RGB pixels at a time are picked out of 64 neighbouring values.
inline constexpr int32_t kPixelGroup = 5;     // in a register of sixteen 32-bit sums
inline constexpr int32_t kPickedValues = 64;  // in the two registers that they are picked out of
struct ColumnPlan {
  const AxisFilter* filter;
  int32_t channels;
  bool in_registers = false;                // else, weigh_columns goes pixel by pixel or two by two
  std::vector<int16_t> weights, positions;  // for each five pixels and each pair of taps, 32 of both
};

// No function of the standard library's may be called out of line in the file behind it: the linker keeps one copy for
// all files, and that could be one compiled for instructions that this machine lacks.
struct ResizeKernels {
  // out[i] = the weighted mean of `rows` rows, `stride` bytes apart, with kRowBits more bits than a pixel.
  void (*weigh_rows)(int16_t* out, const uint8_t* first_row, int64_t stride, const int16_t* weights, int32_t rows,
                     int32_t values);

  // Whether weigh_columns goes by groups of pixels where a plan has them.
  bool weighs_groups;

  // out = the weighted means along a row of weigh_rows' values.
  void (*weigh_columns)(uint8_t* out, const int16_t* row, const ColumnPlan& plan);
};

// The best table for this machine (LAMBDA_FAST_ISA asks for a lower one).
const ResizeKernels& resize_kernels();

// One for each object that resize_rows.cc is compiled into; the last two on x86 alone.
const ResizeKernels* resize_kernels_portable();
const ResizeKernels* resize_kernels_avx2();
const ResizeKernels* resize_kernels_avx512();

}  // namespace lambda_fast
