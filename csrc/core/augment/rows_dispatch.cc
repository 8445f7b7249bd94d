// Chooses the row loops for the machine that runs.
#include <cstdlib>
#include <cstring>

#include "core/augment/augment.h"
#include "core/augment/rows.h"
#include "core/base/error.h"

namespace lambda_fast {

namespace {

const RowKernels* choose() {
  const RowKernels* known[] = {row_kernels_portable(), nullptr, nullptr};
#if defined(LF_X86_ROWS)
  if (__builtin_cpu_supports("avx2")) known[1] = row_kernels_avx2();
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    known[2] = row_kernels_avx512();
  }
#endif
  const char* asked = std::getenv("LAMBDA_FAST_ISA");
  const RowKernels* best = nullptr;
  for (const RowKernels* table : known) {
    if (table == nullptr) continue;
    best = table;
    if (asked != nullptr && std::strcmp(asked, table->isa) == 0) return table;
  }
  require(asked == nullptr || *asked == '\0', "LAMBDA_FAST_ISA",
          "expected portable, or avx2 or avx512 on a machine that has it; found '", asked ? asked : "",
          "'. Unset it to take the best (", best->isa, " here)");
  return best;
}

}  // namespace

const RowKernels& row_kernels() {
  static const RowKernels* const chosen = choose();
  return *chosen;
}

std::string augment_cpu_isa() { return row_kernels().isa; }

}  // namespace lambda_fast
