// The row loops. CMake compiles this file once for each instruction set, with LF_ISA naming it: plain loops that the
// compiler vectorises, and intrinsics where the data have to be shuffled.
#include "core/augment/rows.h"

#if defined(__SSSE3__)
#include <immintrin.h>
#endif

#include "core/augment/lanes.h"
#include "core/augment/pixel.h"

#define LF_JOIN_(a, b) a##b
#define LF_JOIN(a, b) LF_JOIN_(a, b)

namespace lambda_fast {
namespace {

void flip(uint8_t* __restrict out, const uint8_t* __restrict row, int32_t pixels, int32_t channels) {
  int32_t left = pixels;  // pixels [0, left) are still to be written
  if (channels == 1) {
    while (left > 0) *out++ = row[--left];
    return;
  }
#if defined(__SSSE3__)
  // Five pixels fill 15 of 16 bytes. The load starts one byte early and the store ends one byte late: the first needs a
  // sixth pixel in front, the second the row's slack.
  const __m128i reversed = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, -1);
  for (; left > 5; left -= 5, out += 15) {
    const __m128i five = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + 3 * (left - 5) - 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(five, reversed));
  }
#endif
  while (left > 0) {
    --left;
    for (int c = 0; c < 3; ++c) *out++ = row[3 * left + c];
  }
}

void accumulate(uint32_t* __restrict sum, uint32_t* __restrict square, const uint8_t* __restrict values,
                int64_t count) {
  int64_t i = 0;
#if defined(LF_HAS_LANES)
  constexpr int kRegisters = kPattern / Lanes::kCount;
  Lanes::Integers sums[kRegisters], squares[kRegisters];
  for (int k = 0; k < kRegisters; ++k) {
    sums[k] = Lanes::load(sum + k * Lanes::kCount);
    squares[k] = Lanes::load(square + k * Lanes::kCount);
  }
  for (; i + kPattern <= count; i += kPattern) {
    for (int k = 0; k < kRegisters; ++k) {
      const Lanes::Integers value = Lanes::load(values + i + k * Lanes::kCount);
      sums[k] = Lanes::add(sums[k], value);
      squares[k] = Lanes::add(squares[k], Lanes::square(value));
    }
  }
  for (int k = 0; k < kRegisters; ++k) {
    Lanes::store(sum + k * Lanes::kCount, sums[k]);
    Lanes::store(square + k * Lanes::kCount, squares[k]);
  }
#endif
  for (; i < count; i += kPattern) {
    const int64_t left = count - i < kPattern ? count - i : kPattern;
    for (int64_t j = 0; j < left; ++j) {
      const uint32_t value = values[i + j];
      sum[j] += value;
      square[j] += value * value;
    }
  }
}

void blend_rows(int16_t* __restrict out, const uint8_t* __restrict top, const uint8_t* __restrict bottom,
                int32_t weight, int32_t count) {
  const uint16_t lower = static_cast<uint16_t>(weight), upper = static_cast<uint16_t>(256 - weight);
  for (int32_t i = 0; i < count; ++i) {
    const uint16_t blended = static_cast<uint16_t>(top[i] * upper + bottom[i] * lower);
    out[i] = static_cast<int16_t>(blended ^ 0x8000u);
  }
}

// Undoes blend_rows' shift (2^15 * 256) and rounds to nearest.
constexpr int32_t kColumnBias = (1 << 23) + (1 << 15);

void blend_columns(uint8_t* __restrict out, const int16_t* __restrict row, const ColumnTaps& taps, int32_t channels) {
  int32_t i = 0;
#if defined(__AVX2__)
  if (channels == 3) {
    // A pixel and its right neighbour are six int16 in a row; interleaved, one multiply-add blends all three channels.
    const __m256i interleave =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1));
    const __m128i compact = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    const __m256i bias = _mm256_set1_epi32(kColumnBias);
    const auto pixel = [&](int32_t k) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + taps.offset[k]));
    };
    const auto blend = [&](int32_t low, int32_t high) {
      const __m256i pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(pixel(low)), pixel(high), 1);
      const __m256i weights =
          _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi32(static_cast<int>(taps.weights[low]))),
                                  _mm_set1_epi32(static_cast<int>(taps.weights[high])), 1);
      return _mm256_srli_epi32(
          _mm256_add_epi32(_mm256_madd_epi16(_mm256_shuffle_epi8(pixels, interleave), weights), bias), 16);
    };
    for (; i + 4 <= taps.count; i += 4) {
      const __m256i words = _mm256_packus_epi32(blend(i, i + 2), blend(i + 1, i + 3));
      const __m256i bytes = _mm256_packus_epi16(words, words);
      const __m128i four = _mm_unpacklo_epi64(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * i), _mm_shuffle_epi8(four, compact));
    }
  }
#endif
  for (; i < taps.count; ++i) {
    const int32_t left = static_cast<int32_t>(taps.weights[i] & 0xFFFFu),
                  right = static_cast<int32_t>(taps.weights[i] >> 16);
    const int16_t* neighbours = row + taps.offset[i];
    for (int32_t c = 0; c < channels; ++c) {
      out[i * channels + c] =
          static_cast<uint8_t>((neighbours[c] * left + neighbours[channels + c] * right + kColumnBias) >> 16);
    }
  }
}

float stored(float value, const float*) { return value; }
uint16_t stored(float value, const uint16_t*) { return bfloat16_bits(value); }

template <class Out>
void scale(Out* __restrict out, const uint8_t* __restrict values, const float* __restrict scale,
           const float* __restrict shift, int64_t count) {
  int64_t i = 0;
#if defined(LF_HAS_LANES)
  constexpr int kRegisters = kPattern / Lanes::kCount;
  Lanes::Floats scales[kRegisters], shifts[kRegisters];
  for (int k = 0; k < kRegisters; ++k) {
    scales[k] = Lanes::load(scale + k * Lanes::kCount);
    shifts[k] = Lanes::load(shift + k * Lanes::kCount);
  }
  for (; i + kPattern <= count; i += kPattern) {
    for (int k = 0; k < kRegisters; ++k) {
      const int64_t at = i + k * Lanes::kCount;
      Lanes::store(out + at, Lanes::affine(Lanes::load(values + at), scales[k], shifts[k]));
    }
  }
#endif
  for (; i < count; i += kPattern) {
    const int64_t left = count - i < kPattern ? count - i : kPattern;
    for (int64_t j = 0; j < left; ++j) out[i + j] = stored(scale[j] * values[i + j] + shift[j], out);
  }
}

template <class Out>
void mix(Out* __restrict out, const uint8_t* __restrict values, const ColourMap& map, int64_t pixels) {
  const ColourMap local = map;
  for (int64_t i = 0; i < pixels; ++i) {
    const float r = values[3 * i], g = values[3 * i + 1], b = values[3 * i + 2];
    for (int c = 0; c < 3; ++c) out[3 * i + c] = stored(mixed(local, c, r, g, b), out);
  }
}

constexpr RowKernels kTable = {flip,         accumulate,      blend_rows, blend_columns,
                               scale<float>, scale<uint16_t>, mix<float>, mix<uint16_t>};

}  // namespace

const RowKernels* LF_JOIN(row_kernels_, LF_ISA)() { return &kTable; }

}  // namespace lambda_fast
