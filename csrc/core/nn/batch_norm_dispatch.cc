// Chooses batch normalisation's row loops for the machine that runs.
#include "core/base/isa.h"
#include "core/nn/batch_norm_rows.h"
#include "core/nn/own_kernels.h"

namespace lambda_fast {

const BatchNormKernels& batch_norm_kernels(FloatType type) {
  switch (chosen_isa()) {
#if defined(__x86_64__)
    case Isa::kAvx512:
      return has_dot_products() ? *batch_norm_kernels_avx512_bf16(type) : *batch_norm_kernels_avx512(type);
    case Isa::kAvx2:
      return *batch_norm_kernels_avx2(type);
#endif
    default:
      return *batch_norm_kernels_portable(type);
  }
}

}  // namespace lambda_fast
