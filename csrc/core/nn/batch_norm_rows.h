// Batch normalisation's inner loops over a block of rows, one table of them for each instruction set and float type.
#pragma once

#include <cstdint>

#include "core/base/batch_view.h"

namespace lambda_fast {

// Where relu let a gradient pass: where `output` was positive, or, if that is null, where apply's gain and offset make
// a positive value of the input; everywhere if both are null.
struct ReluMask {
  const void* output;
  const float *gain, *offset;
};

// All pointers to void are to rows of the table's float type; all pointers to float to one value for each channel.
struct BatchNormKernels {
  // sum[c] = the column's sum
  void (*sum)(float* sum, const void* input, int64_t rows, int64_t channels);

  // square[c] = the sum of (input - center[c])^2
  void (*square)(float* square, const void* input, const float* center, int64_t rows, int64_t channels);

  // output = gain * (input - center) + offset + residual, negative values cut off if `relu`; residual may be null.
  void (*apply)(void* output, const void* input, const void* residual, const float* gain, const float* center,
                const float* offset, bool relu, int64_t rows, int64_t channels);

  // With g the gradient where the mask lets it pass: sum[c] = the sum of g, product[c] = the sum of
  // g * (input - center[c]). passed = g where that is not null.
  void (*backward_sums)(float* sum, float* product, void* passed, const void* gradient, const void* input,
                        const ReluMask& mask, const float* center, int64_t rows, int64_t channels);

  // input_gradient = gain * g - slope * (input - center) - shift. A mask by `output` has been applied before.
  void (*backward_apply)(void* input_gradient, const void* gradient, const void* input, const ReluMask& mask,
                         const float* gain, const float* center, const float* slope, const float* shift, int64_t rows,
                         int64_t channels);
};

// The best table for this machine; LAMBDA_FAST_ISA asks for a lower one.
const BatchNormKernels& batch_norm_kernels(FloatType type);

// One for each object that batch_norm_rows.cc is compiled into; the last three on x86 alone.
const BatchNormKernels* batch_norm_kernels_portable(FloatType type);
const BatchNormKernels* batch_norm_kernels_avx2(FloatType type);
const BatchNormKernels* batch_norm_kernels_avx512(FloatType type);
const BatchNormKernels* batch_norm_kernels_avx512_bf16(FloatType type);

}  // namespace lambda_fast
