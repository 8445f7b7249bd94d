// The instruction set of our own CPU loops: the best that the machine has, or the one that LAMBDA_FAST_ISA asks for.
#pragma once

namespace lambda_fast {

enum class Isa { kPortable, kAvx2, kAvx512 };

// Throws if LAMBDA_FAST_ISA is neither of portable, avx2, avx512, or asks for what this machine lacks.
Isa chosen_isa();

const char* name_of(Isa isa);

}  // namespace lambda_fast
