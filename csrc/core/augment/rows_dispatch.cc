// Chooses the row loops for the machine that runs.
#include "core/augment/augment.h"
#include "core/augment/rows.h"
#include "core/base/isa.h"

namespace lambda_fast {

const RowKernels& row_kernels() {
  switch (chosen_isa()) {
#if defined(__x86_64__)
    case Isa::kAvx512:
      return *row_kernels_avx512();
    case Isa::kAvx2:
      return *row_kernels_avx2();
#endif
    default:
      return *row_kernels_portable();
  }
}

std::string augment_cpu_isa() { return name_of(chosen_isa()); }

}  // namespace lambda_fast
