// bfloat16 to float32 and back, for CPUs whose float32 arithmetic is the faster one.
#pragma once

#include <cstdint>

namespace lambda_fast {

// Both need AVX512-BF16.

void widen_bf16(float* to, const uint16_t* from, int64_t count);
// to = from + addend, rounded once; a null addend adds nothing.
void narrow_bf16(uint16_t* to, const float* from, const uint16_t* addend, int64_t count);

}  // namespace lambda_fast
