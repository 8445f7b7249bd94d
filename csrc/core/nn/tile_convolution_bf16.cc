// Convolution as products of matrix tiles.
//
// In a row of NHWC pixels, all that one row of a kernel's taps sees for an output pixel is one run of kernel_width *
// in_channels values. So a tile of A is nothing but memory: 16 output pixels down, `stride * in_channels` values from
// one to the next, 32 values of the run across. Rows overlap, and no patches are copied. The run's last piece may be
// shorter; tiles of its own width read it, so that no value beyond the run is ever multiplied.
//
// An image is first copied between zeros, its rows `pitch` pixels apart. With stride 1 all output pixels then lie on
// one line, on which those at the ends of rows, that no row has, are computed as well and dropped: an 8 x 8 image takes
// 5 tiles, not 8 halves. Four tiles of sums share each tile of the kernel.
#include "core/nn/tile_convolution_bf16.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "core/nn/scratch.h"
#include "core/nn/tiles.h"

namespace lambda_fast {

namespace {

constexpr int64_t kPieceValues = kTileBytes / 2;  // of a tile of the packed kernel
constexpr int64_t kMostTogether = 4;              // tiles of sums
constexpr int64_t kBandBytes = 14 << 10;          // of input, a part of the first cache
constexpr int64_t kLeastRows = 4;                 // of output that share what they see
constexpr int kWholeA = 4, kWholeB = 5, kRestA = 6, kRestB = 7;

// What a kernel's row sees of one row: pieces of 32 values, the last one shorter.
struct Run {
  int64_t whole, rest;  // pieces; values of the last, shorter one, even
  int64_t pieces() const { return whole + (rest != 0); }
};

Run run_of(const ConvolutionShape& shape) {
  const int64_t values = shape.kernel_width * shape.in_channels;
  return {values / kTileDepth, values % kTileDepth};
}

// Two rows of 16 weights, paired.
__m512i paired(__m512 even, __m512 odd) {
  const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, halves);
}

// packed[o / 16][ky][piece][pair][o % 16][2]; pair_at(ky, value of the run, o): weights of that value and the next one
// for 16 output channels.
template <class PairAt>
void pack(uint16_t* packed, const ConvolutionShape& shape, const PairAt& pair_at) {
  const Run run = run_of(shape);
  const int64_t values = shape.kernel_width * shape.in_channels;
  for (int64_t o = 0; o < shape.out_channels; o += kTileColumns) {
    for (int64_t ky = 0; ky < shape.kernel_height; ++ky) {
      for (int64_t v = 0; v < values; v += 2) {
        _mm512_storeu_si512(packed + v * kTileColumns, pair_at(ky, v, o));
      }
      packed += run.pieces() * kPieceValues;
    }
  }
}

// A band of output rows, the input that they see between zeros, and where their pixels lie on the line.
struct Layout {
  explicit Layout(const ConvolutionShape& shape)
      : pitch(shape.width + shape.pad_left + shape.pad_right),
        row_values(pitch * shape.in_channels),
        on_one_line(shape.stride[0] == 1 && shape.stride[1] == 1),
        row_positions(on_one_line ? pitch : (shape.out_width() + kTileRows - 1) / kTileRows * kTileRows) {
    const int64_t affordable = (kBandBytes / 2 / row_values - shape.kernel_height) / shape.stride[0] + 1;
    const int64_t fewest = (shape.out_height() - 1) / std::max(kLeastRows, affordable) + 1;
    rows = (shape.out_height() - 1) / fewest + 1;
    bands = (shape.out_height() - 1) / rows + 1;
  }

  static int64_t input_rows(int64_t rows, const ConvolutionShape& shape) {
    return (rows - 1) * shape.stride[0] + shape.kernel_height;
  }

  int64_t positions(int64_t rows, const ConvolutionShape& shape) const {
    return (rows - 1) * row_positions + shape.out_width();
  }

  // Of the first value that the output pixel at `position` sees.
  int64_t value(int64_t position, const ConvolutionShape& shape) const {
    const int64_t y = position / row_positions, x = position % row_positions;
    return y * shape.stride[0] * row_values + x * shape.stride[1] * shape.in_channels;
  }

  // In the memory of a band, with what the last tile reads beyond the last output pixel.
  int64_t band_values(const ConvolutionShape& shape) const {
    const int64_t last_tile = (positions(rows, shape) - 1) / kTileRows * kTileRows;
    return std::max(input_rows(rows, shape) * row_values,
                    value(last_tile, shape) + (kTileRows - 1) * shape.stride[1] * shape.in_channels +
                        (shape.kernel_height - 1) * row_values + shape.kernel_width * shape.in_channels);
  }

  int64_t pitch, row_values;  // of the input: pixels, values from row to row
  bool on_one_line;
  int64_t row_positions;  // from output row to output row
  int64_t rows, bands;    // of output in a band, of which the last one may hold fewer; of an image
};

struct Taps {
  const uint16_t* kernel;  // packed, of 16 output channels
  int64_t kernel_rows, row_values, pixel_bytes;
  Run run;
};

// Adds a piece of the run, from `value` on, to kTiles tiles of sums: tiles kA and kB have its width.
template <int kTiles, int kA, int kB>
inline __attribute__((always_inline)) void add_piece(const uint16_t* const* from, int64_t value, const uint16_t* kernel,
                                                     int64_t pixel_bytes) {
  load_tile<kB>(kernel, 64);
  load_tile<kA>(from[0] + value, pixel_bytes);
  multiply_tiles<0, kA, kB>();
  if constexpr (kTiles > 1) {
    load_tile<kA>(from[1] + value, pixel_bytes);
    multiply_tiles<1, kA, kB>();
  }
  if constexpr (kTiles > 2) {
    load_tile<kA>(from[2] + value, pixel_bytes);
    multiply_tiles<2, kA, kB>();
  }
  if constexpr (kTiles > 3) {
    load_tile<kA>(from[3] + value, pixel_bytes);
    multiply_tiles<3, kA, kB>();
  }
}

// sums[tile] = what kTiles x 16 output pixels see, for 16 output channels.
template <int kTiles>
void multiply(float* sums, const uint16_t* const* from, const Taps& taps) {
  zero_tile<0>();
  if constexpr (kTiles > 1) zero_tile<1>();
  if constexpr (kTiles > 2) zero_tile<2>();
  if constexpr (kTiles > 3) zero_tile<3>();
  const uint16_t* kernel = taps.kernel;
  int64_t value = 0;
  for (int64_t ky = 0; ky < taps.kernel_rows; ++ky, value += taps.row_values) {
    for (int64_t piece = 0; piece < taps.run.whole; ++piece, kernel += kPieceValues) {
      add_piece<kTiles, kWholeA, kWholeB>(from, value + piece * kTileDepth, kernel, taps.pixel_bytes);
    }
    if (taps.run.rest == 0) continue;
    add_piece<kTiles, kRestA, kRestB>(from, value + taps.run.whole * kTileDepth, kernel, taps.pixel_bytes);
    kernel += kPieceValues;
  }
  constexpr int64_t kSums = kTileRows * kTileColumns;
  store_tile<0>(sums, 64);
  if constexpr (kTiles > 1) store_tile<1>(sums + kSums, 64);
  if constexpr (kTiles > 2) store_tile<2>(sums + 2 * kSums, 64);
  if constexpr (kTiles > 3) store_tile<3>(sums + 3 * kSums, 64);
}

__m512 widened(const uint16_t* values) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
  return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
}

// Rounds the sums of positions [begin, end) to the output, but for those that lie beyond a row's end.
template <bool kAdds>
void store(uint16_t* output, const float* sums, const uint16_t* addend, int64_t begin, int64_t end,
           const Layout& layout, const ConvolutionShape& shape) {
  const int64_t outs = shape.out_channels, width = shape.out_width();
  int64_t y = begin / layout.row_positions, x = begin % layout.row_positions;
  for (int64_t position = begin; position < end; ++y, x = 0) {
    const int64_t row_end = std::min(end, position + layout.row_positions - x);
    const float* from = sums + (position - begin) * kTileColumns;
    int64_t at = (y * width + x) * outs;
    int64_t left = std::min(row_end - position, width - x);
    for (; left >= 2; left -= 2, from += 2 * kTileColumns, at += 2 * outs) {
      __m512 first = _mm512_loadu_ps(from), second = _mm512_loadu_ps(from + kTileColumns);
      if constexpr (kAdds) {
        first = _mm512_add_ps(first, widened(addend + at));
        second = _mm512_add_ps(second, widened(addend + at + outs));
      }
      const __m512i two = (__m512i)_mm512_cvtne2ps_pbh(second, first);
      if (outs == kTileColumns) {
        _mm512_storeu_si512(output + at, two);
      } else {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + at), _mm512_castsi512_si256(two));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + at + outs), _mm512_extracti64x4_epi64(two, 1));
      }
    }
    if (left > 0) {
      __m512 last = _mm512_loadu_ps(from);
      if constexpr (kAdds) last = _mm512_add_ps(last, widened(addend + at));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + at), (__m256i)_mm512_cvtneps_pbh(last));
    }
    position = row_end;
  }
}

// Copies what a band sees between the zeros of `band`.
void copy_rows(uint16_t* band, const uint16_t* image, int64_t first, int64_t rows, const Layout& layout,
               const ConvolutionShape& shape) {
  const int64_t values = shape.width * shape.in_channels;
  for (int64_t y = first; y < first + rows; ++y, band += layout.row_values) {
    uint16_t* to = band + shape.pad_left * shape.in_channels;
    if (y < 0 || y >= shape.height) {
      std::memset(to, 0, static_cast<size_t>(2 * values));
    } else {
      std::memcpy(to, image + y * values, static_cast<size_t>(2 * values));
    }
  }
}

void multiply_some(int64_t tiles, float* sums, const uint16_t* const* from, const Taps& taps) {
  switch (tiles) {
    case 1:
      return multiply<1>(sums, from, taps);
    case 2:
      return multiply<2>(sums, from, taps);
    case 3:
      return multiply<3>(sums, from, taps);
    default:
      return multiply<kMostTogether>(sums, from, taps);
  }
}

}  // namespace

int64_t tile_kernel_bytes(const ConvolutionShape& shape) {
  return shape.out_channels / kTileColumns * shape.kernel_height * run_of(shape).pieces() * kTileBytes;
}

void pack_tile_kernel_bf16(uint16_t* packed, const float* kernel, const ConvolutionShape& shape) {
  const int64_t outs = shape.out_channels, row = shape.kernel_width * shape.in_channels;
  pack(packed, shape, [&](int64_t ky, int64_t v, int64_t o) {
    const float* weights = kernel + (ky * row + v) * outs + o;
    return paired(_mm512_loadu_ps(weights), _mm512_loadu_ps(weights + outs));
  });
}

void pack_turned_tile_kernel_bf16(uint16_t* packed, const float* kernel, const ConvolutionShape& shape) {
  ConvolutionShape back = shape;
  std::swap(back.in_channels, back.out_channels);
  const int64_t ins = shape.in_channels, outs = shape.out_channels;
  const __m512i lanes = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                           _mm512_set1_epi32(static_cast<int>(outs)));
  pack(packed, back, [&](int64_t ky, int64_t v, int64_t i) {
    const int64_t kx = v / outs, o = v % outs;
    const int64_t tap = (shape.kernel_height - 1 - ky) * shape.kernel_width + shape.kernel_width - 1 - kx;
    const float* weights = kernel + (tap * ins + i) * outs + o;
    return paired(_mm512_i32gather_ps(lanes, weights, 4), _mm512_i32gather_ps(lanes, weights + 1, 4));
  });
}

void tile_convolution_bf16(uint16_t* output, const uint16_t* input, const uint16_t* packed_kernel,
                           const uint16_t* addend, const ConvolutionShape& shape) {
  const Layout layout(shape);
  const Run run = run_of(shape);
  const int64_t ins = shape.in_channels, outs = shape.out_channels, width = shape.out_width();
  const int64_t band_bytes = (layout.band_values(shape) * 2 + 63) / 64 * 64;
  auto* band = static_cast<uint16_t*>(scratch(ScratchSlot::kPiece, band_bytes + kMostTogether * kTileBytes));
  auto* sums = reinterpret_cast<float*>(reinterpret_cast<char*>(band) + band_bytes);
  std::memset(band, 0, static_cast<size_t>(band_bytes));

  TileShapes tiles;
  if (run.rest != 0) {
    tiles.set(kRestA, kTileRows, 2 * run.rest);
    tiles.set(kRestB, run.rest / 2, 64);
  }
  tiles.load();
  const int64_t kernel_values = shape.kernel_height * run.pieces() * kPieceValues;
  const int64_t row_values = shape.width * ins;
  for (int64_t b = 0; b < shape.count * layout.bands; ++b) {
    const int64_t n = b / layout.bands, top = b % layout.bands * layout.rows;
    const int64_t rows = std::min(layout.rows, shape.out_height() - top);
    const int64_t first_row = top * shape.stride[0] - shape.pad_top, input_rows = Layout::input_rows(rows, shape);
    copy_rows(band, input + n * shape.height * row_values, first_row, input_rows, layout, shape);
    const int64_t positions = layout.positions(rows, shape), count = (positions + kTileRows - 1) / kTileRows;
    const int64_t groups = (count + kMostTogether - 1) / kMostTogether, steps = groups * outs / kTileColumns;
    const int64_t next_row = n * shape.height + std::clamp<int64_t>(first_row + input_rows, 0, shape.height);
    Ahead reads(Ahead::Use::kRead, input + next_row * row_values,
                2 * row_values * std::min(input_rows, shape.count * shape.height - next_row), steps);
    const int64_t next_output = n * shape.out_height() + top + rows;
    Ahead writes(Ahead::Use::kWrite, output + next_output * width * outs,
                 2 * width * outs * std::min(rows, shape.count * shape.out_height() - next_output), steps);
    Ahead adds(Ahead::Use::kRead, addend + (addend ? next_output * width * outs : 0),
               addend ? 2 * width * outs * std::min(rows, shape.count * shape.out_height() - next_output) : 0, steps);
    for (int64_t step = 0; step < steps; ++step) {
      reads.step();
      adds.step();
      writes.step();
      const int64_t group = step % groups, o = step / groups * kTileColumns;
      const Taps taps{packed_kernel + o / kTileColumns * kernel_values, shape.kernel_height, layout.row_values,
                      2 * shape.stride[1] * ins, run};
      const int64_t first = group * count / groups, last = (group + 1) * count / groups;
      const uint16_t* from[kMostTogether];
      for (int64_t t = first; t < last; ++t) from[t - first] = band + layout.value(t * kTileRows, shape);
      multiply_some(last - first, sums, from, taps);
      const int64_t corner = (n * shape.out_height() + top) * width * outs + o;
      const int64_t begin = first * kTileRows, end = std::min(last * kTileRows, positions);
      if (addend != nullptr) {
        store<true>(output + corner, sums, addend + corner, begin, end, layout, shape);
      } else {
        store<false>(output + corner, sums, nullptr, begin, end, layout, shape);
      }
    }
  }
  TileShapes::release();
}

}  // namespace lambda_fast
