// Lanes: one register of 32-bit values, for the instruction set that the including file is compiled with.
//
// Only rows.cc includes this. Without AVX2 there are no lanes, and plain loops do the work.
#pragma once

#include <cstdint>

#if defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>
#define LF_HAS_LANES

namespace lambda_fast {
namespace {

struct Lanes {
  static constexpr int kCount = 16;
  using Integers = __m512i;
  using Floats = __m512;

  static Integers zero() { return _mm512_setzero_si512(); }
  static Integers load(const uint8_t* from) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Integers load(const uint32_t* from) { return _mm512_loadu_si512(from); }
  static Floats load(const float* from) { return _mm512_loadu_ps(from); }
  static Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
  static Integers square(Integers a) { return _mm512_mullo_epi32(a, a); }
  static Floats affine(Integers x, Floats scale, Floats shift) {
    return _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(x), scale), shift);
  }
  static void store(uint32_t* to, Integers x) { _mm512_storeu_si512(to, x); }
  static void store(float* to, Floats x) { _mm512_storeu_ps(to, x); }
  static void store(uint16_t* to, Floats x) {  // bfloat16_bits, sixteen at once
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
};

}  // namespace
}  // namespace lambda_fast

#elif defined(__AVX2__)
#include <immintrin.h>
#define LF_HAS_LANES

namespace lambda_fast {
namespace {

struct Lanes {
  static constexpr int kCount = 8;
  using Integers = __m256i;
  using Floats = __m256;

  static Integers zero() { return _mm256_setzero_si256(); }
  static Integers load(const uint8_t* from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  }
  static Integers load(const uint32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static Floats load(const float* from) { return _mm256_loadu_ps(from); }
  static Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
  static Integers square(Integers a) { return _mm256_mullo_epi32(a, a); }
  static Floats affine(Integers x, Floats scale, Floats shift) {
    return _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(x), scale), shift);
  }
  static void store(uint32_t* to, Integers x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x); }
  static void store(float* to, Floats x) { _mm256_storeu_ps(to, x); }
  static void store(uint16_t* to, Floats x) {  // bfloat16_bits, eight at once
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    const __m256i words = _mm256_srli_epi32(rounded, 16);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                     _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  }
};

}  // namespace
}  // namespace lambda_fast

#endif
