// Batch normalisation (Ioffe and Szegedy, 2015, arXiv:1502.03167) with what follows it in a residual network, in one
// pass: y = relu(scale * (x - mean) / sqrt(variance + epsilon) + offset + residual).
//
// Tensors are [rows, channels], dense; statistics and parameters are float32 [channels]. Sums run over fixed blocks of
// rows that are added in order, in double: the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/batch_view.h"
#include "core/base/context.h"

namespace lambda_fast {

struct BatchNormShape {
  int64_t rows, channels;
};

// Holds extents to one another: input [..., channels], parameters [channels].
BatchNormShape check_batch_norm(const std::vector<int64_t>& input, const std::vector<int64_t>& parameter);

struct BatchNormSpec {
  float epsilon;
  bool relu;
};

// `residual` may be null. The variance is the batch's own, divided by the number of rows.
void batch_norm(void* output, float* mean, float* variance, const void* input, const float* scale, const float* offset,
                const void* residual, FloatType type, BatchNormShape shape, BatchNormSpec spec, const Context& context);

// With statistics from before.
void batch_norm_inference(void* output, const void* input, const float* scale, const float* offset, const float* mean,
                          const float* variance, const void* residual, FloatType type, BatchNormShape shape,
                          BatchNormSpec spec, const Context& context);

// `residual_gradient` is null where there was no residual. Where relu let the gradient through is computed anew from
// the input, or, where there was a residual, told by `output`, which else is not read.
void batch_norm_backward(void* input_gradient, float* scale_gradient, float* offset_gradient, void* residual_gradient,
                         const void* output_gradient, const void* input, const void* output, const float* scale,
                         const float* offset, const float* mean, const float* variance, FloatType type,
                         BatchNormShape shape, BatchNormSpec spec, const Context& context);

}  // namespace lambda_fast
