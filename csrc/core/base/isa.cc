// Asks the CPU once.
#include "core/base/isa.h"

#include <cstdlib>
#include <cstring>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

Isa choose() {
  Isa best = Isa::kPortable;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) best = Isa::kAvx2;
  if (best == Isa::kAvx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    best = Isa::kAvx512;
  }
#endif
  const char* asked = std::getenv("LAMBDA_FAST_ISA");
  if (asked == nullptr || *asked == '\0') return best;
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
    if (isa <= best && std::strcmp(asked, name_of(isa)) == 0) return isa;
  }
  fail(ErrorKind::kInvalidArgument, "LAMBDA_FAST_ISA",
       "expected portable, or avx2 or avx512 on a machine that has it; found '", asked,
       "'. Unset it to take the best (", name_of(best), " here)");
}

}  // namespace

Isa chosen_isa() {
  static const Isa isa = choose();
  return isa;
}

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kPortable:
      break;
  }
  return "portable";
}

}  // namespace lambda_fast
