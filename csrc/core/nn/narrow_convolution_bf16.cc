// 3 x 3 convolution by dot products of channel pairs.
//
// Two neighbouring channels of a pixel are one 32-bit word of the input as it lies, broadcast to all lanes; a register
// of the packed kernel holds the same pair for 16 output channels. A tile of output pixels of one row stays in
// registers: a broadcast input pixel serves the three outputs that see it through the three taps of a kernel row, so
// 8 + 2 broadcasts and 6 loads feed 48 dot products where a tile has 8 pixels of 32 channels.
#include "core/nn/narrow_convolution_bf16.h"

#include <immintrin.h>

#include <algorithm>

namespace lambda_fast {

namespace {

constexpr int kTaps = 3;
constexpr int64_t kMostChannels = 32;  // as dot_products.cc has it

uint32_t rounded(float value) {
  return static_cast<uint16_t>(_mm_extract_epi16((__m128i)_mm_cvtneps_pbh(_mm_set_ss(value)), 0));
}

// packed[ky][kx][i / 2][o] = (at(ky, kx, i, o), at(ky, kx, i + 1, o))
template <class At>
void pack(uint32_t* packed, int64_t in_channels, int64_t out_channels, const At& at) {
  for (int64_t ky = 0; ky < kTaps; ++ky) {
    for (int64_t kx = 0; kx < kTaps; ++kx) {
      for (int64_t i = 0; i < in_channels; i += 2) {
        for (int64_t o = 0; o < out_channels; ++o) {
          *packed++ = rounded(at(ky, kx, i, o)) | rounded(at(ky, kx, i + 1, o)) << 16;
        }
      }
    }
  }
}

// kPixels outputs of a row from pixel `begin` on, for 16 * kOut output channels.
//   rows     of the input that the kernel's rows see, null outside the image
template <int kPixels, int kOut>
inline void add_tile(uint16_t* output, const uint32_t* const rows[kTaps], int64_t begin, const uint32_t* kernel,
                     const uint32_t* zeros, const ConvolutionShape& shape) {
  __m512 sums[kPixels][kOut];
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (int o = 0; o < kOut; ++o) sums[p][o] = _mm512_setzero_ps();
  }
  const int64_t pairs = shape.in_channels / 2, outs = shape.out_channels;
  const int64_t left = begin - shape.pad_left;  // the input pixel of the first tap
  for (int ky = 0; ky < kTaps; ++ky) {
    if (rows[ky] == nullptr) continue;
    const uint32_t* x = rows[ky] + left * pairs;
    // Of the pixels that a tile sees, only the first and the last can lie outside.
    const uint32_t* first = left >= 0 ? x : zeros;
    const uint32_t* last = left + kPixels + 1 < shape.width ? x + (kPixels + 1) * pairs : zeros;
    const uint32_t* weights = kernel + ky * kTaps * pairs * outs;
    for (int64_t i = 0; i < pairs; ++i, weights += outs) {
      __m512bh w[kTaps][kOut];
#pragma GCC unroll 3
      for (int kx = 0; kx < kTaps; ++kx) {
#pragma GCC unroll 2
        for (int o = 0; o < kOut; ++o) {
          w[kx][o] = (__m512bh)_mm512_loadu_si512(weights + kx * pairs * outs + o * 16);
        }
      }
#pragma GCC unroll 18
      for (int p = 0; p < kPixels + 2; ++p) {
        const uint32_t word = p == 0 ? first[i] : p == kPixels + 1 ? last[i] : x[p * pairs + i];
        const __m512bh pair = (__m512bh)_mm512_set1_epi32(static_cast<int>(word));
#pragma GCC unroll 3
        for (int kx = 0; kx < kTaps; ++kx) {
          if (p - kx < 0 || p - kx >= kPixels) continue;
#pragma GCC unroll 2
          for (int o = 0; o < kOut; ++o) sums[p - kx][o] = _mm512_dpbf16_ps(sums[p - kx][o], w[kx][o], pair);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (int o = 0; o < kOut; ++o) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + (begin + p) * outs + o * 16),
                          (__m256i)_mm512_cvtneps_pbh(sums[p][o]));
    }
  }
}

template <int kPixels, int kOut>
void convolve_images(uint16_t* output, const uint32_t* input, const uint32_t* kernel, const ConvolutionShape& shape) {
  static const uint32_t zeros[kMostChannels / 2] = {};
  const int64_t row_words = shape.width * shape.in_channels / 2, out_row = shape.out_width() * shape.out_channels;
  for (int64_t image = 0; image < shape.count; ++image) {
    for (int64_t y = 0; y < shape.out_height(); ++y) {
      const uint32_t* rows[kTaps];
      for (int ky = 0; ky < kTaps; ++ky) {
        const int64_t at = y + ky - shape.pad_top;
        rows[ky] = at >= 0 && at < shape.height ? input + (image * shape.height + at) * row_words : nullptr;
      }
      uint16_t* to = output + (image * shape.out_height() + y) * out_row;
      for (int64_t o = 0; o < shape.out_channels; o += 16 * kOut) {
        // The last tile starts earlier where the width is no multiple: some pixels are then computed twice.
        for (int64_t begin = 0; begin < shape.out_width(); begin += kPixels) {
          add_tile<kPixels, kOut>(to + o, rows, std::min(begin, shape.out_width() - kPixels), kernel + o, zeros, shape);
        }
      }
    }
  }
}

}  // namespace

int64_t packed_kernel_bytes(const ConvolutionShape& shape) {
  return kTaps * kTaps * shape.in_channels * shape.out_channels * 2;
}

void pack_kernel(uint32_t* packed, const float* kernel, const ConvolutionShape& shape) {
  pack(packed, shape.in_channels, shape.out_channels, [&](int64_t ky, int64_t kx, int64_t i, int64_t o) {
    return kernel[((ky * kTaps + kx) * shape.in_channels + i) * shape.out_channels + o];
  });
}

void pack_turned_kernel(uint32_t* packed, const float* kernel, const ConvolutionShape& shape) {
  pack(packed, shape.out_channels, shape.in_channels, [&](int64_t ky, int64_t kx, int64_t o, int64_t i) {
    return kernel[((kTaps - 1 - ky) * kTaps + kTaps - 1 - kx) * shape.in_channels * shape.out_channels +
                  i * shape.out_channels + o];
  });
}

void narrow_convolution_bf16(uint16_t* output, const uint16_t* input, const uint32_t* packed_kernel,
                             const ConvolutionShape& shape) {
  const auto* words = reinterpret_cast<const uint32_t*>(input);
  const auto run = shape.out_channels % 32 == 0 ? convolve_images<8, 2>
                   : shape.out_width() >= 16    ? convolve_images<16, 1>
                                                : convolve_images<8, 1>;
  run(output, words, packed_kernel, shape);
}

}  // namespace lambda_fast
