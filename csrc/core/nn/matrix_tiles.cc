// The CPU's own word (CPUID 7), then the system's: Linux saves the 8 KB of tiles only for processes that ask.
#include "core/nn/matrix_tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/isa.h"

namespace lambda_fast {
namespace {

constexpr unsigned kBf16Bit = 1u << 22, kTileBit = 1u << 24;  // of EDX
constexpr unsigned kDotProductBit = 1u << 5;                  // of EAX in the leaf behind: AVX512-BF16
constexpr int kAskPermission = 0x1023, kTileData = 18;        // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

bool ask() {
  if (chosen_isa() != Isa::kAvx512) return false;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  if ((edx & kBf16Bit) == 0 || (edx & kTileBit) == 0) return false;
  if (!__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) || (eax & kDotProductBit) == 0) return false;
  return syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0;
}

}  // namespace

bool has_matrix_tiles() {
  static const bool has = ask();
  return has;
}

}  // namespace lambda_fast
#else
namespace lambda_fast {

bool has_matrix_tiles() { return false; }

}  // namespace lambda_fast
#endif
