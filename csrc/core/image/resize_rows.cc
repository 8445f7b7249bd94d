// The loops of resizing. CMake compiles this file once for each instruction set, with LF_ISA naming it.
//
// Both passes take source values in pairs, so that one multiply-add of 16-bit numbers does two of them.
#include "core/image/resize_rows.h"

#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define LF_JOIN_(a, b) a##b
#define LF_JOIN(a, b) LF_JOIN_(a, b)

namespace lambda_fast {
namespace {

constexpr int kRowShift = kWeightBits - kRowBits, kColumnShift = kWeightBits + kRowBits;
constexpr int32_t kRowHalf = 1 << (kRowShift - 1), kColumnHalf = 1 << (kColumnShift - 1);

#if defined(__AVX2__)
// Two neighbouring weights in one 32-bit word, the first one low.
int32_t pair_of(const int16_t* weights) {
  int32_t pair;
  std::memcpy(&pair, weights, sizeof pair);
  return pair;
}
#endif

void weigh_rows(int16_t* __restrict out, const uint8_t* first_row, int64_t stride, const int16_t* weights, int32_t rows,
                int32_t values) {
  int32_t i = 0;
#if defined(__AVX512BW__)
  // Bytes of two rows, interleaved within each 128-bit lane; packing undoes that order.
  const __m512i half = _mm512_set1_epi32(kRowHalf);
  for (; i + 32 <= values; i += 32) {
    __m512i low = half, high = half;
    for (int32_t r = 0; r < rows; r += 2) {
      const uint8_t* top = first_row + r * stride + i;
      const uint8_t* bottom = r + 1 < rows ? top + stride : top;  // whose weight is 0
      const __m512i a = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(top)));
      const __m512i b = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bottom)));
      const __m512i pair = _mm512_set1_epi32(pair_of(weights + r));
      low = _mm512_add_epi32(low, _mm512_madd_epi16(_mm512_unpacklo_epi16(a, b), pair));
      high = _mm512_add_epi32(high, _mm512_madd_epi16(_mm512_unpackhi_epi16(a, b), pair));
    }
    _mm512_storeu_si512(out + i,
                        _mm512_packs_epi32(_mm512_srai_epi32(low, kRowShift), _mm512_srai_epi32(high, kRowShift)));
  }
#elif defined(__AVX2__)
  const __m256i half = _mm256_set1_epi32(kRowHalf);
  for (; i + 16 <= values; i += 16) {
    __m256i low = half, high = half;
    for (int32_t r = 0; r < rows; r += 2) {
      const uint8_t* top = first_row + r * stride + i;
      const uint8_t* bottom = r + 1 < rows ? top + stride : top;  // whose weight is 0
      const __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(top)));
      const __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bottom)));
      const __m256i pair = _mm256_set1_epi32(pair_of(weights + r));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), pair));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), pair));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm256_packs_epi32(_mm256_srai_epi32(low, kRowShift), _mm256_srai_epi32(high, kRowShift)));
  }
#endif
  for (; i < values; ++i) {
    int32_t sum = kRowHalf;
    for (int32_t r = 0; r < rows; ++r) sum += first_row[r * stride + i] * weights[r];
    out[i] = static_cast<int16_t>(sum >> kRowShift);
  }
}

#if defined(__AVX512BW__) && defined(__AVX512VL__)
void weigh_in_registers(uint8_t* __restrict out, const int16_t* row, const ColumnPlan& plan) {
  const AxisFilter& filter = *plan.filter;
  const int32_t count = static_cast<int32_t>(filter.first.size()), pairs = filter.taps / 2;
  const int16_t *weights = plan.weights.data(), *positions = plan.positions.data();
  for (int32_t x = 0; x < count; x += kPixelGroup) {
    const int16_t* from = row + filter.first[x] * 3;
    const __m512i low = _mm512_loadu_si512(from), high = _mm512_loadu_si512(from + 32);
    __m512i sum = _mm512_set1_epi32(kColumnHalf);
    for (int32_t k = 0; k < pairs; ++k, weights += 32, positions += 32) {
      const __m512i pixels = _mm512_permutex2var_epi16(low, _mm512_loadu_si512(positions), high);
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pixels, _mm512_loadu_si512(weights)));
    }
    const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_srli_epi32(sum, kColumnShift));
    if (x + kPixelGroup < count) {  // the sixteenth byte is the next group's
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * x), bytes);
    } else {
      _mm_mask_storeu_epi8(out + 3 * x, static_cast<__mmask16>((1u << (3 * (count - x))) - 1), bytes);
    }
  }
}
constexpr bool kWeighsGroups = true;
#else
constexpr bool kWeighsGroups = false;
#endif

void weigh_columns(uint8_t* __restrict out, const int16_t* row, const ColumnPlan& plan) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  if (plan.in_registers) return weigh_in_registers(out, row, plan);
#endif
  const AxisFilter& filter = *plan.filter;
  const int32_t *first = filter.first.data(), taps = filter.taps, channels = plan.channels;
  const int32_t count = static_cast<int32_t>(filter.first.size());
  const int16_t* weights = filter.weights.data();
  int32_t x = 0;
#if defined(__AVX2__)
  if (channels == 3) {
    // A pixel and its right neighbour are six int16 in a row; interleaved, one multiply-add weighs all three channels.
    // Two outputs at once, one in each half.
    const __m256i interleave =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1));
    const __m256i half = _mm256_set1_epi32(kColumnHalf);
    const __m256i compact =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    for (; x + 2 <= count; x += 2) {
      const int16_t *from_a = row + first[x] * 3, *from_b = row + first[x + 1] * 3;
      const int16_t *weights_a = weights + x * taps, *weights_b = weights_a + taps;
      __m256i sum = half;
      for (int32_t k = 0; k < taps / 2; ++k) {
        const __m256i pixels = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from_a + 6 * k))),
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(from_b + 6 * k)), 1);
        const __m256i pair = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi32(pair_of(weights_a + 2 * k))),
                                                     _mm_set1_epi32(pair_of(weights_b + 2 * k)), 1);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, interleave), pair));
      }
      const __m256i bytes = _mm256_shuffle_epi8(_mm256_srli_epi32(sum, kColumnShift), compact);
      const uint32_t first = static_cast<uint32_t>(_mm256_cvtsi256_si32(bytes));
      const uint32_t second = static_cast<uint32_t>(_mm_cvtsi128_si32(_mm256_extracti128_si256(bytes, 1)));
      const uint64_t both = first | static_cast<uint64_t>(second) << 24;
      std::memcpy(out + 3 * x, &both, 6);
    }
  }
#endif
  for (; x < count; ++x) {
    const int16_t* pixel = row + first[x] * channels;
    for (int32_t c = 0; c < channels; ++c) {
      int32_t sum = kColumnHalf;
      for (int32_t t = 0; t < filter.count[x]; ++t) sum += pixel[t * channels + c] * weights[x * taps + t];
      out[x * channels + c] = static_cast<uint8_t>(sum >> kColumnShift);
    }
  }
}

constexpr ResizeKernels kTable = {weigh_rows, kWeighsGroups, weigh_columns};

}  // namespace

const ResizeKernels* LF_JOIN(resize_kernels_, LF_ISA)() { return &kTable; }

}  // namespace lambda_fast
