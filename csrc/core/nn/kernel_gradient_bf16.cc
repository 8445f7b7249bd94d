// The gradient of a 3 x 3 kernel with AVX512-BF16's dot products of pairs.
//
//   gradient[ky][kx][i][o] += sum over images n and (y, x) of input[n][y * s + ky - pad][x * s + kx - pad][i] *
//   dy[n][y][x][o]
//
// A dot product adds two products at once: here those of the same place in two neighbouring images. So both operands
// are first packed in pairs of images, as 32-bit words:
//   inputs     [y][1 + x + 1][i]  a word, broadcast, is an input channel of two images; columns of zeros on both sides
//   gradients  [y][x][o]          a register holds 16 output channels of two images
// Packing reads each image once and writes a band of rows that stays in the first cache while the sums run over it. A
// tile of 24 sums (taps, input channels x 16 output channels) stays in registers down a band, so that 11 to 14 loads
// feed 24 dot products.
#include "core/nn/kernel_gradient_bf16.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "core/nn/scratch.h"

namespace lambda_fast {

namespace {

constexpr int kTaps = 3;
constexpr int64_t kBandBytes = 36 << 10;  // most of the first cache
constexpr int64_t kMostRows = 64;

// A band of rows of two images, packed; strides in words.
struct Band {
  const uint32_t* inputs;     // of its first input row, at tap 0 of output column 0
  const uint32_t* gradients;  // of its first output row
  int64_t input_row, gradient_row;
};

// to[c] = (first[c], second[c]) for all values; second may be null and counts as zeros.
void pack_pair(uint32_t* to, const uint16_t* first, const uint16_t* second, int64_t values) {
  for (int64_t c = 0; c < values; c += 16) {
    const __mmask16 lanes = values - c >= 16 ? 0xffff : static_cast<__mmask16>((1u << (values - c)) - 1);
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, first + c));
    const __m512i high =
        second ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, second + c)) : _mm512_setzero_si512();
    _mm512_mask_storeu_epi32(to + c, lanes, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}

// Adds output rows [0, rows) of a band to kIn x 16 * kOut channels of the three taps of one kernel row.
template <int kIn, int kOut>
void add_row_of_taps(float* gradient, const Band& band, int64_t rows, const ConvolutionShape& shape) {
  __m512 sums[kTaps][kIn][kOut];
  const int64_t ins = shape.in_channels, outs = shape.out_channels;
#pragma GCC unroll 3
  for (int kx = 0; kx < kTaps; ++kx) {
#pragma GCC unroll 8
    for (int i = 0; i < kIn; ++i) {
#pragma GCC unroll 2
      for (int o = 0; o < kOut; ++o) sums[kx][i][o] = _mm512_loadu_ps(gradient + (kx * ins + i) * outs + o * 16);
    }
  }
  for (int64_t y = 0; y < rows; ++y) {
    const uint32_t* x = band.inputs + y * shape.stride[0] * band.input_row;
    const uint32_t* g = band.gradients + y * band.gradient_row;
    for (int64_t column = 0; column < shape.out_width(); ++column, x += shape.stride[1] * ins, g += outs) {
      __m512bh dy[kOut];
#pragma GCC unroll 2
      for (int o = 0; o < kOut; ++o) dy[o] = (__m512bh)_mm512_loadu_si512(g + o * 16);
#pragma GCC unroll 3
      for (int kx = 0; kx < kTaps; ++kx) {
#pragma GCC unroll 8
        for (int i = 0; i < kIn; ++i) {
          const __m512bh pair = (__m512bh)_mm512_set1_epi32(static_cast<int>(x[kx * ins + i]));
#pragma GCC unroll 2
          for (int o = 0; o < kOut; ++o) sums[kx][i][o] = _mm512_dpbf16_ps(sums[kx][i][o], dy[o], pair);
        }
      }
    }
  }
#pragma GCC unroll 3
  for (int kx = 0; kx < kTaps; ++kx) {
#pragma GCC unroll 8
    for (int i = 0; i < kIn; ++i) {
#pragma GCC unroll 2
      for (int o = 0; o < kOut; ++o) _mm512_storeu_ps(gradient + (kx * ins + i) * outs + o * 16, sums[kx][i][o]);
    }
  }
}

// Adds `rows` input rows, from `first` on, of a band with stride 1 to kIn x 16 channels of the three taps of one kernel
// column: a broadcast word then serves three dot products where there are only 16 output channels to serve.
//   gradients  by output row, `zeros` where there is none
template <int kIn>
void add_column_of_taps(float* gradient, const uint32_t* inputs, int64_t input_row, const uint32_t* const* gradients,
                        int64_t rows, const ConvolutionShape& shape) {
  __m512 sums[kTaps][kIn];
  const int64_t ins = shape.in_channels, outs = shape.out_channels;
#pragma GCC unroll 3
  for (int ky = 0; ky < kTaps; ++ky) {
#pragma GCC unroll 8
    for (int i = 0; i < kIn; ++i) sums[ky][i] = _mm512_loadu_ps(gradient + (ky * kTaps * ins + i) * outs);
  }
  for (int64_t y = 0; y < rows; ++y) {
    const uint32_t* x = inputs + y * input_row;
    const uint32_t *g0 = gradients[y + 2], *g1 = gradients[y + 1], *g2 = gradients[y];
    for (int64_t column = 0; column < shape.out_width(); ++column, x += ins, g0 += outs, g1 += outs, g2 += outs) {
      const __m512bh dy[kTaps] = {(__m512bh)_mm512_loadu_si512(g0), (__m512bh)_mm512_loadu_si512(g1),
                                  (__m512bh)_mm512_loadu_si512(g2)};
#pragma GCC unroll 8
      for (int i = 0; i < kIn; ++i) {
        const __m512bh pair = (__m512bh)_mm512_set1_epi32(static_cast<int>(x[i]));
#pragma GCC unroll 3
        for (int ky = 0; ky < kTaps; ++ky) sums[ky][i] = _mm512_dpbf16_ps(sums[ky][i], dy[ky], pair);
      }
    }
  }
#pragma GCC unroll 3
  for (int ky = 0; ky < kTaps; ++ky) {
#pragma GCC unroll 8
    for (int i = 0; i < kIn; ++i) _mm512_storeu_ps(gradient + (ky * kTaps * ins + i) * outs, sums[ky][i]);
  }
}

class Images {
 public:
  Images(float* gradient, const uint16_t* input, const uint16_t* output_gradient, const ConvolutionShape& shape)
      : gradient_(gradient),
        input_(input),
        output_gradient_(output_gradient),
        shape_(shape),
        columns_((shape.out_width() - 1) * shape.stride[1] + kTaps),
        input_row_(columns_ * shape.in_channels),
        gradient_row_(shape.out_width() * shape.out_channels),
        by_column_(shape.stride[0] == 1 && shape.stride[1] == 1 && shape.out_channels % 32 != 0),
        rows_(std::clamp<int64_t>(kBandBytes / 4 / (shape.stride[0] * input_row_ + gradient_row_) - 2, 2, kMostRows)) {
    const int64_t input_words = (rows_ * shape.stride[0] + kTaps) * input_row_;
    const int64_t gradient_words = (rows_ + kTaps) * gradient_row_;
    inputs_ = static_cast<uint32_t*>(scratch(ScratchSlot::kPiece, 4 * (input_words + gradient_words)));
    gradients_ = inputs_ + input_words;
    zeros_ = gradients_ + gradient_words - gradient_row_;
    std::memset(inputs_, 0, 4 * (input_words + gradient_words));  // the columns beside the images stay so
  }

  void add() {
    for (int64_t image = 0; image < shape_.count; image += 2) {
      const int64_t extent = by_column_ ? shape_.height : shape_.out_height();
      for (int64_t row = 0; row < extent; row += rows_) {
        const int64_t last = std::min(row + rows_, extent);
        by_column_ ? add_input_rows(image, row, last) : add_output_rows(image, row, last);
      }
    }
  }

 private:
  const uint16_t* partner(int64_t image, const uint16_t* of_first, int64_t elements) const {
    return image + 1 < shape_.count ? of_first + elements : nullptr;
  }

  void pack_input(uint32_t* to, int64_t image, int64_t y) const {
    const int64_t elements = shape_.height * shape_.width * shape_.in_channels;
    // Columns that taps see, in the image: [-pad, columns - pad), cut to [0, width).
    const int64_t seen = std::min(shape_.width, columns_ - shape_.pad_left);
    const uint16_t* first = input_ + image * elements + y * shape_.width * shape_.in_channels;
    pack_pair(to + shape_.pad_left * shape_.in_channels, first, partner(image, first, elements),
              seen * shape_.in_channels);
  }

  void pack_gradient(uint32_t* to, int64_t image, int64_t y) const {
    const int64_t elements = shape_.out_height() * gradient_row_;
    const uint16_t* first = output_gradient_ + image * elements + y * gradient_row_;
    pack_pair(to, first, partner(image, first, elements), gradient_row_);
  }

  // A band of output rows, with the input rows that they see.
  void add_output_rows(int64_t image, int64_t begin, int64_t end) {
    const int64_t s = shape_.stride[0];
    const int64_t top = begin * s - shape_.pad_top, bottom = (end - 1) * s - shape_.pad_top + kTaps;
    for (int64_t y = std::max<int64_t>(0, top); y < std::min(bottom, shape_.height); ++y) {
      pack_input(inputs_ + (y - top) * input_row_, image, y);
    }
    for (int64_t y = begin; y < end; ++y) pack_gradient(gradients_ + (y - begin) * gradient_row_, image, y);
    for (int64_t ky = 0; ky < kTaps; ++ky) {
      // Output rows whose input row, y * s + ky - pad, lies in the image.
      const int64_t shift = ky - shape_.pad_top;
      const int64_t first = std::max(begin, shift >= 0 ? 0 : (-shift + s - 1) / s);
      const int64_t last = std::min(end, shape_.height <= shift ? 0 : (shape_.height - 1 - shift) / s + 1);
      if (last <= first) continue;
      const Band band{inputs_ + (first * s + shift - top) * input_row_, gradients_ + (first - begin) * gradient_row_,
                      input_row_, gradient_row_};
      if (shape_.out_channels % 32 == 0) {
        add_tiles<4, 2>(ky, band, last - first);
      } else {
        add_tiles<8, 1>(ky, band, last - first);
      }
    }
  }

  template <int kIn, int kOut>
  void add_tiles(int64_t ky, Band band, int64_t rows) const {
    for (int64_t i = 0; i < shape_.in_channels; i += kIn) {
      for (int64_t o = 0; o < shape_.out_channels; o += 16 * kOut) {
        Band tile = band;
        tile.inputs += i, tile.gradients += o;
        add_row_of_taps<kIn, kOut>(gradient_ + (ky * kTaps * shape_.in_channels + i) * shape_.out_channels + o, tile,
                                   rows, shape_);
      }
    }
  }

  // A band of input rows, with the output rows that see them.
  void add_input_rows(int64_t image, int64_t begin, int64_t end) {
    constexpr int kIn = 8;
    const uint32_t* by_row[kMostRows + kTaps];
    for (int64_t y = begin; y < end; ++y) pack_input(inputs_ + (y - begin) * input_row_, image, y);
    const int64_t top = begin + shape_.pad_top - 2;  // the first output row that sees one of them
    for (int64_t y = top; y < end + shape_.pad_top; ++y) {
      const bool inside = y >= 0 && y < shape_.out_height();
      uint32_t* packed = gradients_ + (y - top) * gradient_row_;
      if (inside) pack_gradient(packed, image, y);
      by_row[y - top] = inside ? packed : zeros_;
    }
    const uint32_t* shifted[kMostRows + kTaps];
    for (int64_t o = 0; o < shape_.out_channels; o += 16) {
      for (int64_t k = 0; k < end - begin + 2; ++k) shifted[k] = by_row[k] + o;
      for (int64_t kx = 0; kx < kTaps; ++kx) {
        for (int64_t i = 0; i < shape_.in_channels; i += kIn) {
          add_column_of_taps<kIn>(gradient_ + (kx * shape_.in_channels + i) * shape_.out_channels + o,
                                  inputs_ + kx * shape_.in_channels + i, input_row_, shifted, end - begin, shape_);
        }
      }
    }
  }

  float* const gradient_;
  const uint16_t *const input_, *const output_gradient_;
  const ConvolutionShape& shape_;
  const int64_t columns_, input_row_, gradient_row_;  // packed: columns of a row, words of a row
  const bool by_column_;
  const int64_t rows_;  // of a band
  uint32_t *inputs_, *gradients_, *zeros_;
};

}  // namespace

void add_kernel_gradient_bf16(float* gradient, const uint16_t* input, const uint16_t* output_gradient,
                              const ConvolutionShape& shape) {
  Images(gradient, input, output_gradient, shape).add();
}

}  // namespace lambda_fast
