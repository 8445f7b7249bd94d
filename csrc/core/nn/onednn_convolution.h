// oneDNN's convolutions over a batch, by pieces of whole images.
#pragma once

#include "core/nn/convolution.h"

namespace lambda_fast {

// What oneDNN may use here. ONEDNN_MAX_CPU_ISA can forbid it some of the machine's instructions, and us.
bool onednn_has_avx512();
bool onednn_has_bfloat16();  // AVX512-BF16 or AMX
bool onednn_has_matrix_tiles();

// Where the arithmetic of bfloat16's tensors happens.
enum class Arithmetic {
  kOfTheirType,
  kWidened,  // as float32, for CPUs where that is quicker (widen_bf16.h); needs AVX512-BF16
};

// Forward, or backward to the input: to[image] from from[image], `piece` images at a time.
//   addend  as convolve_backward_input's; null: nothing is added
void map_images_by_onednn(bool forward, void* to, const void* from, const float* kernel, const void* addend,
                          FloatType type, Arithmetic arithmetic, const ConvolutionShape& shape, int64_t piece,
                          const Context& context);

// The kernel's gradient over all of these images. One thread.
void sum_gradient_by_onednn(float* sum, const void* input, const void* output_gradient, FloatType type,
                            Arithmetic arithmetic, const ConvolutionShape& images);

}  // namespace lambda_fast
