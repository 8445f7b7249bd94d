#include "core/nn/widen_bf16.h"

#include <immintrin.h>

#include <algorithm>

namespace lambda_fast {

namespace {

constexpr int64_t kLanes = 16;

// Those of 16 lanes that `left` values fill.
__mmask16 lanes_of(int64_t left) { return static_cast<__mmask16>((1u << std::min(kLanes, left)) - 1); }

__m512 widened(__mmask16 lanes, const uint16_t* from) {
  const __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}

}  // namespace

void widen_bf16(float* to, const uint16_t* from, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_of(count - i);
    _mm512_mask_storeu_ps(to + i, lanes, widened(lanes, from + i));
  }
}

void narrow_bf16(uint16_t* to, const float* from, const uint16_t* addend, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_of(count - i);
    __m512 values = _mm512_maskz_loadu_ps(lanes, from + i);
    if (addend != nullptr) values = _mm512_add_ps(values, widened(lanes, addend + i));
    _mm256_mask_storeu_epi16(to + i, lanes, (__m256i)_mm512_cvtneps_pbh(values));
  }
}

}  // namespace lambda_fast
