// The gradient of a 3 x 3 kernel with stride 1 as products of matrix tiles.
//
//   gradient[ky][kx][i][o] += sum over images and positions of input[position + ky * pitch + kx][i] * dy[position][o]
//
// Two images go together: a pair of values that a tile wants side by side is the same place of both. An image lies
// between zeros, its rows `pitch` pixels apart, and all its output pixels on one line; where the line has pixels beyond
// a row's end, dy is zero. So a tap is nothing but an offset on that line. Products sum over 16 positions at a time:
//   gradients  [o][position][2]   transposed: 16 output channels down, 16 positions of both images across
//   inputs     [position][i][2]
// Both are packed from where they lie, a band of rows at a time, into memory that stays in the first cache for all nine
// taps; rows that the next band sees as well are moved. Four or six tiles of sums, [o][i] of a tap each, stay in
// registers over the positions of a band.
#include "core/nn/tile_kernel_gradient_bf16.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "core/nn/scratch.h"
#include "core/nn/tiles.h"

namespace lambda_fast {

namespace {

constexpr int64_t kTaps = 3;
constexpr int64_t kBlock = kTileDepth / 2;  // positions across a tile
constexpr int64_t kBandBytes = 40 << 10;    // packed, of the channels at work: most of the first cache

// 16 channels of two pixels, paired; a second one that is null counts as zeros.
__m512i paired(const uint16_t* first, const uint16_t* second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(first)));
  const __m256i high = second ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second)) : _mm256_setzero_si256();
  return _mm512_permutexvar_epi16(order, _mm512_inserti64x4(low, high, 1));
}

// rows[r] lane c becomes rows[c] lane r.
void transpose(__m512i rows[16]) {
  __m512i a[16], b[16];
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) {
    a[2 * k] = _mm512_unpacklo_epi32(rows[2 * k], rows[2 * k + 1]);
    a[2 * k + 1] = _mm512_unpackhi_epi32(rows[2 * k], rows[2 * k + 1]);
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    b[4 * k] = _mm512_unpacklo_epi64(a[4 * k], a[4 * k + 2]);
    b[4 * k + 1] = _mm512_unpackhi_epi64(a[4 * k], a[4 * k + 2]);
    b[4 * k + 2] = _mm512_unpacklo_epi64(a[4 * k + 1], a[4 * k + 3]);
    b[4 * k + 3] = _mm512_unpackhi_epi64(a[4 * k + 1], a[4 * k + 3]);
  }
  // b[4 k + j] holds, in its lane of 128 bits l, column 4 l + j of rows 4 k to 4 k + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low02 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88),
                  low13 = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd);
    const __m512i high02 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88),
                  high13 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xdd);
    rows[j] = _mm512_shuffle_i32x4(low02, high02, 0x88);
    rows[4 + j] = _mm512_shuffle_i32x4(low13, high13, 0x88);
    rows[8 + j] = _mm512_shuffle_i32x4(low02, high02, 0xdd);
    rows[12 + j] = _mm512_shuffle_i32x4(low13, high13, 0xdd);
  }
}

class Images {
 public:
  Images(float* gradient, const uint16_t* input, const uint16_t* output_gradient, const ConvolutionShape& shape)
      : gradient_(gradient),
        input_(input),
        output_gradient_(output_gradient),
        shape_(shape),
        pitch_(shape.width + std::max(shape.pad_left, shape.pad_right)),
        rows_(rows_of_a_band()),
        depth_(blocks(rows_)),
        places_(std::max((rows_ + kTaps - 1) * pitch_ + shape.pad_left, depth_ * kBlock + (kTaps - 1) * (pitch_ + 1))),
        length_(depth_ + (depth_ + 1) % 2),
        together_(rows_ < shape.out_height()
                      ? 1
                      : std::clamp<int64_t>(kBandBytes / band_bytes(rows_), 1, (shape.count + 1) / 2)) {
    const int64_t ins = shape.in_channels, outs = shape.out_channels;
    const int64_t inputs = together_ * ins * places_ * 2, gradients = together_ * outs * length_ * kTileDepth;
    const int64_t sums = kTaps * kTaps * ins * outs;
    inputs_ =
        static_cast<uint16_t*>(scratch(ScratchSlot::kPiece, static_cast<size_t>(2 * (inputs + gradients) + 4 * sums)));
    gradients_ = inputs_ + inputs;
    sums_ = reinterpret_cast<float*>(gradients_ + gradients);
    std::memset(inputs_, 0, static_cast<size_t>(2 * (inputs + gradients)));  // what lies between rows stays so
  }

  void sum() {
    TileShapes().load();
    for (int64_t image = 0; image < shape_.count; image += 2 * together_) {
      const int64_t pairs = std::min(together_, (shape_.count - image + 1) / 2);
      for (int64_t row = 0; row < shape_.out_height(); row += rows_) {
        for (int64_t pair = 0; pair < pairs; ++pair) pack(pair, image + 2 * pair, row);
        const bool is_first = image == 0 && row == 0;
        const int64_t depth = blocks(std::min(rows_, shape_.out_height() - row));
        if (shape_.in_channels % 32 == 0 && shape_.out_channels % 32 == 0) {
          const int64_t steps = kTaps * kTaps * pairs * shape_.in_channels * shape_.out_channels / 1024;
          add_squares(is_first, pairs, depth, behind(image, row, steps));
        } else {
          add_columns(is_first, pairs, depth,
                      behind(image, row, depth * pairs * shape_.in_channels * shape_.out_channels / 128));
        }
      }
    }
    TileShapes::release();
    for (int64_t tap = 0; tap < kTaps * kTaps; ++tap) {
      for (int64_t i = 0; i < shape_.in_channels; i += 16) {
        for (int64_t o = 0; o < shape_.out_channels; o += 16) give_sums(tap, i, o);
      }
    }
  }

 private:
  int64_t blocks(int64_t rows) const { return ((rows - 1) * pitch_ + shape_.out_width() + kBlock - 1) / kBlock; }

  int64_t band_bytes(int64_t rows) const {
    const int64_t ins = std::min<int64_t>(32, shape_.in_channels), outs = std::min<int64_t>(32, shape_.out_channels);
    return 4 * pitch_ * ((rows + kTaps - 1) * ins + rows * outs);
  }

  int64_t rows_of_a_band() const {
    int64_t rows = 2;
    while (rows < shape_.out_height() && band_bytes(rows + 1) <= kBandBytes) ++rows;
    const int64_t bands = (shape_.out_height() + rows - 1) / rows;
    return (shape_.out_height() + bands - 1) / bands;
  }

  void pack(int64_t pair, int64_t image, int64_t row) const {
    const bool has_second = image + 1 < shape_.count;
    const int64_t rows = std::min(rows_, shape_.out_height() - row);
    const int64_t input = shape_.height * shape_.width * shape_.in_channels;
    const uint16_t* x = input_ + image * input;
    for (int64_t i = 0; i < shape_.in_channels; i += 16) {
      pack_inputs(inputs_at(pair, i), x + i, has_second ? x + input + i : nullptr, row, rows);
    }
    const int64_t gradient = shape_.out_height() * shape_.out_width() * shape_.out_channels;
    const uint16_t* dy = output_gradient_ + image * gradient;
    for (int64_t o = 0; o < shape_.out_channels; o += 16) {
      pack_gradients(gradients_at(pair, o), dy + o, has_second ? dy + gradient + o : nullptr, row, rows);
    }
  }

  // 16 channels of what output rows from `row` on see. The first of that lie there already, but for the first band.
  void pack_inputs(uint16_t* inputs, const uint16_t* first, const uint16_t* second, int64_t row, int64_t rows) const {
    const int64_t ins = shape_.in_channels, row_values = pitch_ * 32, kept = row == 0 ? 0 : kTaps - 1;
    if (kept != 0) std::memmove(inputs, inputs + rows_ * row_values, static_cast<size_t>(2 * kept * row_values));
    for (int64_t k = kept; k < rows + kTaps - 1; ++k) {
      uint16_t* to = inputs + k * row_values + shape_.pad_left * 32;
      const int64_t y = row + k - shape_.pad_top;
      if (y < 0 || y >= shape_.height) {
        std::memset(to, 0, static_cast<size_t>(2 * 32 * shape_.width));
        continue;
      }
      const int64_t from = y * shape_.width * ins;
      for (int64_t x = 0; x < shape_.width; ++x, to += 32) {
        _mm512_storeu_si512(to, paired(first + from + x * ins, second ? second + from + x * ins : nullptr));
      }
    }
  }

  // 16 channels of output rows from `row` on, 16 pixels at a time; those beyond a row's end are not stored.
  void pack_gradients(uint16_t* gradients, const uint16_t* first, const uint16_t* second, int64_t row,
                      int64_t rows) const {
    const int64_t outs = shape_.out_channels, width = shape_.out_width(), length = length_ * kTileDepth;
    for (int64_t y = 0; y < rows; ++y) {
      for (int64_t x = 0; x < width; x += kBlock) {
        const int64_t from = ((row + y) * width + x) * outs, count = std::min(kBlock, width - x);
        __m512i pixels[16];
        if (count == kBlock && second != nullptr) {
#pragma GCC unroll 16
          for (int k = 0; k < 16; ++k) pixels[k] = paired(first + from + k * outs, second + from + k * outs);
        } else {
          for (int64_t k = 0; k < 16; ++k) {
            const int64_t at = from + std::min(k, count - 1) * outs;
            pixels[k] = paired(first + at, second ? second + at : nullptr);
          }
        }
        transpose(pixels);
        uint16_t* to = gradients + (y * pitch_ + x) * 2;
        const auto lanes = static_cast<__mmask16>((1u << count) - 1);
#pragma GCC unroll 16
        for (int k = 0; k < 16; ++k) _mm512_mask_storeu_epi32(to + k * length, lanes, pixels[k]);
      }
    }
    // What a band before, of more rows, left there.
    const int64_t end = (rows - 1) * pitch_ + width, behind = blocks(rows) * kBlock - end;
    for (int64_t o = 0; o < 16 && rows < rows_; ++o) {
      std::memset(gradients + o * length + end * 2, 0, static_cast<size_t>(4 * behind));
    }
  }

  // What is packed next: rows of two images, or all of as many pairs as go together.
  struct Next {
    Ahead memory[4];
    void step() {
      for (Ahead& each : memory) each.step();
    }
  };

  Next behind(int64_t image, int64_t row, int64_t steps) const {
    const int64_t height = shape_.height, out_height = shape_.out_height();
    const int64_t input_row = shape_.width * shape_.in_channels,
                  gradient_row = shape_.out_width() * shape_.out_channels;
    const bool same_images = row + rows_ < out_height;
    const int64_t first = same_images ? image : image + 2 * together_, second = first + together_;
    const int64_t top = same_images ? row + rows_ : 0, seen = same_images ? top + kTaps - 1 - shape_.pad_top : 0;
    const auto part = [&](const uint16_t* images, int64_t at, int64_t y, int64_t extent, int64_t row_values) {
      const int64_t rows = together_ > 1 ? together_ * extent : std::clamp<int64_t>(extent - y, 0, rows_);
      const int64_t left = (shape_.count - at) * extent - y;  // all that there is behind
      return Ahead(Ahead::Use::kRead, images + (at * extent + y) * row_values,
                   2 * row_values * std::clamp<int64_t>(left, 0, rows), steps);
    };
    return {{part(input_, first, seen, height, input_row), part(input_, second, seen, height, input_row),
             part(output_gradient_, first, top, out_height, gradient_row),
             part(output_gradient_, second, top, out_height, gradient_row)}};
  }

  uint16_t* inputs_at(int64_t pair, int64_t i) const { return inputs_ + (pair * shape_.in_channels + i) * places_ * 2; }
  // What a tap sees from the first position on.
  const uint16_t* seen_at(int64_t pair, int64_t tap, int64_t i) const {
    return inputs_at(pair, i) + (tap / kTaps * pitch_ + tap % kTaps) * 32;
  }
  uint16_t* gradients_at(int64_t pair, int64_t o) const {
    return gradients_ + (pair * shape_.out_channels + o) * length_ * kTileDepth;
  }
  float* sums_at(int64_t tap, int64_t i, int64_t o) const {
    return sums_ + (tap * shape_.in_channels + i) * shape_.out_channels + o * 16;
  }

  template <int kTile>
  static void begin_sums(bool is_first, const float* sums) {
    if (is_first) {
      zero_tile<kTile>();
    } else {
      load_tile<kTile>(sums, 64);
    }
  }

  // 32 output channels x 32 input channels of a tap at a time.
  void add_squares(bool is_first, int64_t pairs, int64_t depth, Next next) const {
    const int64_t length = 2 * length_ * kTileDepth;
    for (int64_t i = 0; i < shape_.in_channels; i += 32) {
      for (int64_t o = 0; o < shape_.out_channels; o += 32) {
        for (int64_t tap = 0; tap < kTaps * kTaps; ++tap) {
          float *c0 = sums_at(tap, i, o), *c1 = sums_at(tap, i + 16, o), *c2 = sums_at(tap, i, o + 16),
                *c3 = sums_at(tap, i + 16, o + 16);
          begin_sums<0>(is_first, c0);
          begin_sums<1>(is_first, c1);
          begin_sums<2>(is_first, c2);
          begin_sums<3>(is_first, c3);
          for (int64_t pair = 0; pair < pairs; ++pair) {
            next.step();
            const uint16_t *upper = gradients_at(pair, o), *lower = gradients_at(pair, o + 16);
            const uint16_t *left = seen_at(pair, tap, i), *right = seen_at(pair, tap, i + 16);
            for (int64_t k = 0; k < depth; ++k, upper += 32, lower += 32, left += 512, right += 512) {
              load_tile<4>(upper, length);
              load_tile<6>(left, 64);
              multiply_tiles<0, 4, 6>();
              load_tile<7>(right, 64);
              multiply_tiles<1, 4, 7>();
              load_tile<5>(lower, length);
              multiply_tiles<2, 5, 6>();
              multiply_tiles<3, 5, 7>();
            }
          }
          store_tile<0>(c0, 64);
          store_tile<1>(c1, 64);
          store_tile<2>(c2, 64);
          store_tile<3>(c3, 64);
        }
      }
    }
  }

  // All nine taps of 16 output channels x 16 input channels, six of them and three.
  void add_columns(bool is_first, int64_t pairs, int64_t depth, Next next) const {
    for (int64_t i = 0; i < shape_.in_channels; i += 16) {
      for (int64_t o = 0; o < shape_.out_channels; o += 16) {
        add_taps<6>(is_first, 0, i, o, pairs, depth, next);
        add_taps<3>(is_first, 6, i, o, pairs, depth, next);
      }
    }
  }

  template <int kCount>
  void add_taps(bool is_first, int64_t tap, int64_t i, int64_t o, int64_t pairs, int64_t depth, Next& next) const {
    const int64_t length = 2 * length_ * kTileDepth, step = shape_.in_channels * shape_.out_channels;
    float* sums = sums_at(tap, i, o);
    begin_sums<0>(is_first, sums);
    begin_sums<1>(is_first, sums + step);
    begin_sums<2>(is_first, sums + 2 * step);
    if constexpr (kCount == 6) {
      begin_sums<3>(is_first, sums + 3 * step);
      begin_sums<4>(is_first, sums + 4 * step);
      begin_sums<5>(is_first, sums + 5 * step);
    }
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const uint16_t *dy = gradients_at(pair, o), *seen = seen_at(pair, tap, i);
      const int64_t down = pitch_ * 32;
      for (int64_t k = 0; k < depth; ++k, dy += 32, seen += 512) {
        next.step();
        load_tile<6>(dy, length);
        load_tile<7>(seen, 64);
        multiply_tiles<0, 6, 7>();
        load_tile<7>(seen + 32, 64);
        multiply_tiles<1, 6, 7>();
        load_tile<7>(seen + 64, 64);
        multiply_tiles<2, 6, 7>();
        if constexpr (kCount == 6) {
          load_tile<7>(seen + down, 64);
          multiply_tiles<3, 6, 7>();
          load_tile<7>(seen + down + 32, 64);
          multiply_tiles<4, 6, 7>();
          load_tile<7>(seen + down + 64, 64);
          multiply_tiles<5, 6, 7>();
        }
      }
    }
    store_tile<0>(sums, 64);
    store_tile<1>(sums + step, 64);
    store_tile<2>(sums + 2 * step, 64);
    if constexpr (kCount == 6) {
      store_tile<3>(sums + 3 * step, 64);
      store_tile<4>(sums + 4 * step, 64);
      store_tile<5>(sums + 5 * step, 64);
    }
  }

  // A tile of sums, turned, to where it belongs.
  void give_sums(int64_t tap, int64_t i, int64_t o) const {
    const float* sums = sums_at(tap, i, o);
    __m512i rows[16];
    for (int k = 0; k < 16; ++k) rows[k] = _mm512_loadu_si512(sums + 16 * k);
    transpose(rows);
    float* to = gradient_ + (tap * shape_.in_channels + i) * shape_.out_channels + o;
    for (int k = 0; k < 16; ++k, to += shape_.out_channels) {
      _mm512_storeu_si512(to, rows[k]);
    }
  }

  float* const gradient_;
  const uint16_t *const input_, *const output_gradient_;
  const ConvolutionShape& shape_;
  const int64_t pitch_;   // pixels from row to row: zeros at a row's end are those before the next one
  const int64_t rows_;    // of output in a band
  const int64_t depth_;   // tiles across that hold a band's positions
  const int64_t places_;  // that a band sees
  const int64_t length_;  // of a transposed line, in tiles, odd: so the rows of one lie in different sets of the cache
  const int64_t together_;  // pairs of images, where a band holds all their rows
  uint16_t *inputs_, *gradients_;
  float* sums_;
};

}  // namespace

void tile_kernel_gradient_bf16(float* gradient, const uint16_t* input, const uint16_t* output_gradient,
                               const ConvolutionShape& shape) {
  Images(gradient, input, output_gradient, shape).sum();
}

}  // namespace lambda_fast
