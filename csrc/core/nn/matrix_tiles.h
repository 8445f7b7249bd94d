// AMX: whether the processor and the system let us use matrix tiles.
//
// Apart from the kernels, whose files are compiled for AVX-512 and must not be entered without it.
#pragma once

namespace lambda_fast {

// Asks the CPU, and the kernel for its permission, once. False too where LAMBDA_FAST_ISA asks for less than AVX-512.
bool has_matrix_tiles();

}  // namespace lambda_fast
