// Winograd's F(4 x 4, 3 x 3), and the same sums turned round for the kernel's gradient.
//
//   output    = A^T [sum over i of (G kernel G^T) * (B^T input B)] A        16 outputs of 36 inputs, overlapping by two
//   gradient  = G^T [sum over tiles of (A dy A^T) * (B^T input B)] G        by the chain rule
//
// where * is element by element: 36 products of matrices, one for each element,
//   convolution  [tiles, in] x [in, out]      gradient  [in, tiles] x [tiles, out]
// Tiles go in blocks whose transformed values stay near. A register holds 16 channels everywhere.
#include "core/nn/winograd.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/nn/scratch.h"

namespace lambda_fast {

namespace {

constexpr int kTaps = 3;
constexpr int kOut = 4;                // outputs of a tile, down and across
constexpr int kIn = kOut + kTaps - 1;  // inputs of it
constexpr int kElements = kIn * kIn;
constexpr int64_t kLanes = 16;
constexpr int kRows = 8;  // tiles of a block that are multiplied at a time

__m512 load(const float* from) { return _mm512_loadu_ps(from); }
__m512 load(const uint16_t* from) {
  const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
void store(float* to, __m512 values) { _mm512_storeu_ps(to, values); }
void store(uint16_t* to, __m512 values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(values));
}

template <class Value>
inline __m512 rounded(__m512 values) {
  if constexpr (std::is_same_v<Value, float>) return values;
  Value kept[kLanes];
  store(kept, values);
  return load(kept);
}

__m512 times(float factor, __m512 a) { return _mm512_mul_ps(_mm512_set1_ps(factor), a); }
__m512 plus(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
__m512 minus(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
// a * factor + b
__m512 plus(__m512 b, float factor, __m512 a) { return _mm512_fmadd_ps(_mm512_set1_ps(factor), a, b); }

// The transforms of a line: of inputs (B^T), to outputs (A^T), of output gradients (A), of kernels (G), and to kernel
// gradients (G^T). The interpolation points are 0, +-a, +-b and infinity; with the usual 1 and 2 the error is 3.5 times
// as large.
constexpr float kA = 0.70710678f, kB = 1.41421356f, kA2 = 0.5f, kB2 = 2.0f;
constexpr float kNearA = -1.0f / 1.5f, kNearB = 1.0f / 6;  // 1 / product of a point's distances from the others

struct OfInputs {
  static constexpr int kFrom = kIn, kTo = kIn;
  static void apply(const __m512 d[kFrom], __m512 to[kTo]) {
    const __m512 even_a = plus(d[4], -kB2, d[2]), odd_a = plus(d[3], -kB2, d[1]);
    const __m512 even_b = plus(d[4], -kA2, d[2]), odd_b = plus(d[3], -kA2, d[1]);
    to[0] = plus(plus(d[0], d[4]), -(kA2 + kB2), d[2]);  // kA2 * kB2 = 1
    to[1] = plus(even_a, kA, odd_a);
    to[2] = plus(even_a, -kA, odd_a);
    to[3] = plus(even_b, kB, odd_b);
    to[4] = plus(even_b, -kB, odd_b);
    to[5] = plus(plus(d[1], d[5]), -(kA2 + kB2), d[3]);
  }
};

struct ToOutputs {
  static constexpr int kFrom = kIn, kTo = kOut;
  static void apply(const __m512 m[kFrom], __m512 to[kTo]) {
    const __m512 even_a = plus(m[1], m[2]), odd_a = minus(m[1], m[2]);
    const __m512 even_b = plus(m[3], m[4]), odd_b = times(kB, minus(m[3], m[4]));
    to[0] = plus(plus(m[0], even_a), even_b);
    to[1] = plus(odd_b, kA, odd_a);
    to[2] = plus(times(kB2, even_b), kA2, even_a);
    to[3] = plus(plus(m[5], kA * kA2, odd_a), kB2, odd_b);
  }
};

struct OfGradients {
  static constexpr int kFrom = kOut, kTo = kIn;
  static void apply(const __m512 y[kFrom], __m512 to[kTo]) {
    const __m512 even_a = plus(y[0], kA2, y[2]), odd_a = plus(y[1], kA2, y[3]);
    const __m512 even_b = plus(y[0], kB2, y[2]), odd_b = plus(y[1], kB2, y[3]);
    to[0] = y[0];
    to[1] = plus(even_a, kA, odd_a);
    to[2] = plus(even_a, -kA, odd_a);
    to[3] = plus(even_b, kB, odd_b);
    to[4] = plus(even_b, -kB, odd_b);
    to[5] = y[3];
  }
};

struct OfKernels {
  static constexpr int kFrom = kTaps, kTo = kIn;
  static void apply(const __m512 g[kFrom], __m512 to[kTo]) {
    const __m512 even_a = plus(g[0], kA2, g[2]), even_b = plus(g[0], kB2, g[2]);
    to[0] = g[0];
    to[1] = times(kNearA, plus(even_a, kA, g[1]));
    to[2] = times(kNearA, plus(even_a, -kA, g[1]));
    to[3] = times(kNearB, plus(even_b, kB, g[1]));
    to[4] = times(kNearB, plus(even_b, -kB, g[1]));
    to[5] = g[2];
  }
};

struct ToKernels {
  static constexpr int kFrom = kIn, kTo = kTaps;
  static void apply(const __m512 u[kFrom], __m512 to[kTo]) {
    const __m512 even_a = times(kNearA, plus(u[1], u[2])), odd_a = times(kNearA, minus(u[1], u[2]));
    const __m512 even_b = times(kNearB, plus(u[3], u[4])), odd_b = times(kNearB, minus(u[3], u[4]));
    to[0] = plus(plus(u[0], even_a), even_b);
    to[1] = plus(times(kB, odd_b), kA, odd_a);
    to[2] = plus(plus(u[5], kA2, even_a), kB2, even_b);
  }
};

// Both ways over a square of values: from(row, column), and take(row, column, value) of what comes out.
template <class Line, class From, class Take>
[[gnu::always_inline]] inline void transform(const From& from, const Take& take) {
  __m512 middle[Line::kTo][Line::kFrom];
#pragma GCC unroll 6
  for (int x = 0; x < Line::kFrom; ++x) {
    __m512 column[Line::kFrom], turned[Line::kTo];
#pragma GCC unroll 6
    for (int y = 0; y < Line::kFrom; ++y) column[y] = from(y, x);
    Line::apply(column, turned);
#pragma GCC unroll 6
    for (int y = 0; y < Line::kTo; ++y) middle[y][x] = turned[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < Line::kTo; ++y) {
    __m512 row[Line::kTo];
    Line::apply(middle[y], row);
#pragma GCC unroll 6
    for (int x = 0; x < Line::kTo; ++x) take(y, x, row[x]);
  }
}

// The tiles of a batch, row by row and image by image, one after the other.
class Tiles {
 public:
  explicit Tiles(const ConvolutionShape& shape)
      : height_(shape.out_height()),
        width_(shape.out_width()),
        left_(shape.count * ((height_ + kOut - 1) / kOut) * ((width_ + kOut - 1) / kOut)) {}

  int64_t left() const { return left_; }
  // Of the first output.
  int64_t image() const { return image_; }
  int64_t y() const { return y_; }
  int64_t x() const { return x_; }
  int64_t pixel() const { return (image_ * height_ + y_) * width_ + x_; }
  int64_t rows() const { return height_ - y_; }  // of the image from there on
  int64_t columns() const { return width_ - x_; }
  int64_t side_by_side() const { return (width_ - x_ + kOut - 1) / kOut; }  // tiles, to the end of the row

  void step() {
    --left_;
    if ((x_ += kOut) < width_) return;
    x_ = 0;
    if ((y_ += kOut) < height_) return;
    y_ = 0;
    ++image_;
  }

 private:
  int64_t height_, width_, left_, image_ = 0, y_ = 0, x_ = 0;
};

// Asks for the memory of tiles before it is needed, a few lines at each step of other work: the rows of the next tiles
// lie too far apart for the processor to ask for them itself, and a store waits for its line as a load does.
template <bool kWrites>
class TilesAhead {
 public:
  // Of 4 x 4 pixels for each of `count` tiles from `tiles` on, `down` rows below their first output, in images of
  // height x width pixels of `pixel` bytes; all within `steps` steps.
  TilesAhead(const void* images, int64_t height, int64_t width, int64_t pixel, const Tiles& tiles, int64_t down,
             int64_t count, int64_t steps)
      : images_(static_cast<const char*>(images)),
        height_(height),
        width_(width),
        pixel_(pixel),
        down_(down),
        tiles_(tiles),
        left_(std::min(count, tiles.left())),
        lines_(left_ * kOut * kOut * pixel / 64 / steps + 1) {}

  void step() {
    for (int64_t k = lines_; k > 0; --k, at_ += 64) {
      if (at_ >= end_ && !begin_row()) return;
      if constexpr (kWrites) {
        asm volatile("prefetchw %0" ::"m"(*at_));
      } else {
        __builtin_prefetch(at_, 0, 2);  // to the second cache
      }
    }
  }

 private:
  // The next row of pixels of as many tiles as lie side by side.
  [[gnu::noinline]] bool begin_row() {
    while (left_ > 0) {
      const int64_t image = tiles_.image(), y = tiles_.y() + down_ + row_, x = tiles_.x();
      const int64_t together = std::min(left_, tiles_.side_by_side());
      if (++row_ == kOut) {
        row_ = 0;
        left_ -= together;
        for (int64_t k = 0; k < together; ++k) tiles_.step();
      }
      if (y < 0 || y >= height_ || x >= width_) continue;
      at_ = images_ + ((image * height_ + y) * width_ + x) * pixel_;
      end_ = at_ + std::min(together * kOut, width_ - x) * pixel_;
      return true;
    }
    return false;
  }

  const char* const images_;
  const int64_t height_, width_, pixel_, down_;
  Tiles tiles_;
  int64_t left_, lines_, row_ = 0;
  const char *at_ = nullptr, *end_ = nullptr;
};

// Tiles of a block: few, so that they stay near, in the first cache if they can; more where the kernel, or the sums of
// its gradient, are read from further away once a block.
int64_t convolution_tiles(const ConvolutionShape& shape) {
  const int64_t channels = shape.in_channels * shape.out_channels;
  return channels > 128 * 128 ? 64 : channels > 16 * 16 ? 16 : kRows;
}

int64_t gradient_tiles(const ConvolutionShape& shape) {
  const int64_t channels = shape.in_channels * shape.out_channels;
  return channels > 128 * 128 ? 64 : channels > 32 * 32 ? 16 : 32;
}

// Transformed values of a block: [element][tile][channel]. Elements lie a line further apart than they need to, so that
// those of one tile do not all fall into the same sets of the cache.
int64_t element_stride(int64_t tiles, int64_t channels) { return tiles * channels + kLanes; }

// A window of an image, 16 channels: Line::kFrom x Line::kFrom pixels from `first` on; strides in values.
//
// All by value: the compiler takes every store of a register for one that may change what is only referred to. And no
// loop over channels: it would compute all 72 addresses before the loop, and put them on the stack.
template <class Line, class Value>
[[gnu::noinline]] void transform_window(float* to, int64_t stride, const Value* first, int64_t row, int64_t pixel) {
  transform<Line>([=](int y, int x) { return load(first + y * row + x * pixel); },
                  [=](int y, int x, __m512 value) { _mm512_storeu_ps(to + (y * kIn + x) * stride, value); });
}

// `rows` x `pixels` of an image from (y, x) on; zeros beside it.
template <class Value>
void copy_between_zeros(Value* to, const Value* image, int64_t height, int64_t width, int64_t channels, int64_t y,
                        int64_t x, int64_t rows, int64_t pixels) {
  const int64_t begin = std::clamp<int64_t>(-x, 0, pixels), end = std::clamp(width - x, begin, pixels);
  const auto bytes = [&](int64_t count) { return static_cast<size_t>(count * channels) * sizeof(Value); };
  for (int64_t r = y; r < y + rows; ++r, to += pixels * channels) {
    if (r < 0 || r >= height) {
      std::memset(to, 0, bytes(pixels));
      continue;
    }
    std::memset(to, 0, bytes(begin));
    std::memcpy(to + begin * channels, image + (r * width + x + begin) * channels, bytes(end - begin));
    std::memset(to + end * channels, 0, bytes(pixels - end));
  }
}

// How images are seen: their extents, and where the window of the first tile begins.
struct Seen {
  int64_t height, width, channels, top, left;

  // Values that a run of tiles sees at most.
  template <class Line>
  int64_t most_values(int64_t tiles) const {
    return Line::kFrom * ((tiles - 1) * kOut + Line::kFrom) * channels;
  }
};

// Tiles [tiles, tiles + count) of a block. Those side by side whose windows reach over the image's edges are copied to
// `copied` first, so that there is one way to transform a window; to ask of each pixel whether it lies within takes
// twice the time of a whole window.
template <class Line, class Value>
void transform_tiles(float* to, int64_t stride, const Value* images, const Seen& seen, Tiles tiles, int64_t count,
                     Value* copied) {
  constexpr int64_t kSide = Line::kFrom;
  const int64_t channels = seen.channels;
  while (count > 0) {
    const int64_t together = std::min(count, tiles.side_by_side()), pixels = (together - 1) * kOut + kSide;
    const int64_t y = tiles.y() - seen.top, x = tiles.x() - seen.left;
    const Value* image = images + tiles.image() * seen.height * seen.width * channels;
    const Value* first = image + (y * seen.width + x) * channels;
    int64_t row = seen.width * channels;
    if (y < 0 || x < 0 || y + kSide > seen.height || x + pixels > seen.width) {
      copy_between_zeros(copied, image, seen.height, seen.width, channels, y, x, kSide, pixels);
      first = copied, row = pixels * channels;
    }
    for (int64_t k = 0; k < together; ++k, to += channels, first += kOut * channels, tiles.step()) {
      for (int64_t c = 0; c < channels; c += kLanes) {
        transform_window<Line>(to + c, stride, first + c, row, channels);
      }
    }
    count -= together;
  }
}

// to[row][16 * kColumns] = sum over k of a[row][k] * b[k][16 * kColumns], for kRows rows of kMatrices products of
// matrices, each of which lies a stride behind the one before.
template <int kMatrices, int kColumns>
[[gnu::always_inline]] inline void multiply(float* to, int64_t to_stride, int64_t to_row, const float* a,
                                            int64_t a_stride, int64_t a_row, const float* b, int64_t b_stride,
                                            int64_t b_row, int64_t depth) {
  __m512 sums[kMatrices][kRows][kColumns];
#pragma GCC unroll 2
  for (int m = 0; m < kMatrices; ++m) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int c = 0; c < kColumns; ++c) sums[m][r][c] = _mm512_setzero_ps();
    }
  }
#pragma GCC unroll 4
  for (int64_t k = 0; k < depth; ++k) {
#pragma GCC unroll 2
    for (int m = 0; m < kMatrices; ++m) {
      __m512 line[kColumns];
#pragma GCC unroll 2
      for (int c = 0; c < kColumns; ++c) line[c] = _mm512_loadu_ps(b + m * b_stride + k * b_row + c * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const __m512 value = _mm512_set1_ps(a[m * a_stride + r * a_row + k]);
#pragma GCC unroll 2
        for (int c = 0; c < kColumns; ++c) sums[m][r][c] = _mm512_fmadd_ps(value, line[c], sums[m][r][c]);
      }
    }
  }
#pragma GCC unroll 2
  for (int m = 0; m < kMatrices; ++m) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int c = 0; c < kColumns; ++c) {
        _mm512_storeu_ps(to + m * to_stride + r * to_row + c * kLanes, sums[m][r][c]);
      }
    }
  }
}

// The products of a block for 16 * kColumns output channels. kChannels: of input and output, where they are known while
// this is compiled; rows then need no pointers of their own.
template <int kColumns, int64_t kChannels = 0>
void multiply_block(float* products, int64_t product_stride, const float* inputs, int64_t input_stride,
                    const float* kernel, int64_t count, const ConvolutionShape& shape, TilesAhead<false>& next,
                    TilesAhead<true>& outputs) {
  constexpr int kMatrices = 2 / kColumns;  // so that 16 sums are at work
  const int64_t ins = kChannels != 0 ? kChannels : shape.in_channels;
  const int64_t outs = kChannels != 0 ? kChannels : shape.out_channels, wide = kColumns * kLanes;
  for (int64_t e = 0; e < kElements; e += kMatrices) {
    const float *a = inputs + e * input_stride, *b = kernel + e * ins * outs;
    float* to = products + e * product_stride;
    next.step();
    outputs.step();
    for (int64_t t = 0; t < count; t += kRows) {
      multiply<kMatrices, kColumns>(to + t * wide, product_stride, wide, a + t * ins, input_stride, ins, b, ins * outs,
                                    outs, ins);
    }
  }
}

// A tile of outputs, of 16 channels; strides in values.
template <class Value>
struct Outputs {
  Value* to;
  const Value* addend;          // null: nothing is added
  int64_t y, x, rows, columns;  // of the first, and how many are within the image
  int64_t row, pixel;

  void give(int64_t down, int64_t across, __m512 value) const {
    const int64_t at = down * row + across * pixel;
    store(to + at, addend ? plus(value, load(addend + at)) : value);
  }
};

// Returns whether all were finite; one that is not spoils the whole tile here.
template <class Value>
bool give_outputs(const Outputs<Value>& outputs, const float* products, int64_t stride) {
  const Outputs<Value> tile = outputs;  // a copy: a store of a register may change what is only referred to
  __m512 spoilt = _mm512_setzero_ps();
  const auto run = [=, &spoilt](const auto& give) {
    transform<ToOutputs>([=](int y, int x) { return _mm512_loadu_ps(products + (y * kIn + x) * stride); },
                         [=, &spoilt](int y, int x, __m512 value) {
                           spoilt = plus(spoilt, 0, value);  // NaN from what is not finite
                           give(y, x, value);
                         });
  };
  if (tile.rows < kOut || tile.columns < kOut) {
    run([=](int y, int x, __m512 value) {
      if (y < tile.rows && x < tile.columns) tile.give(y, x, value);
    });
  } else if (tile.addend == nullptr) {
    run([=](int y, int x, __m512 value) { store(tile.to + y * tile.row + x * tile.pixel, value); });
  } else {
    run([=](int y, int x, __m512 value) { tile.give(y, x, value); });
  }
  return _mm512_cmp_ps_mask(spoilt, spoilt, _CMP_UNORD_Q) == 0;
}

float widened(float value) { return value; }
float widened(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The same outputs as plain sums: what is not finite stays where its window is.
template <class Value>
[[gnu::noinline]] void give_plain_sums(const Outputs<Value>& outputs, const Value* image, const float* kernel,
                                       const ConvolutionShape& shape) {
  const int64_t columns = std::min<int64_t>(kOut, outputs.columns);
  for (int64_t down = 0; down < std::min<int64_t>(kOut, outputs.rows); ++down) {
    __m512 sums[kOut] = {};
    for (int64_t tap = 0; tap < kTaps * kTaps; ++tap) {
      const int64_t y = outputs.y + down + tap / kTaps - shape.pad_top, left = outputs.x + tap % kTaps - shape.pad_left;
      if (y < 0 || y >= shape.height) continue;
      const float* line = kernel + tap * shape.in_channels * shape.out_channels;
      for (int64_t i = 0; i < shape.in_channels; ++i, line += shape.out_channels) {
        for (int64_t x = std::max<int64_t>(0, -left); x < std::min(columns, shape.width - left); ++x) {
          const __m512 value = _mm512_set1_ps(widened(image[(y * shape.width + left + x) * shape.in_channels + i]));
          sums[x] = _mm512_fmadd_ps(value, _mm512_loadu_ps(line), sums[x]);
        }
      }
    }
    for (int64_t x = 0; x < columns; ++x) outputs.give(down, x, sums[x]);
  }
}

template <int kColumns, class Value>
void convolve_images(Value* output, const Value* input, const float* kernel, const Value* addend,
                     const ConvolutionShape& shape) {
  const int64_t ins = shape.in_channels, outs = shape.out_channels, wide = kColumns * kLanes;
  const int64_t out_row = shape.out_width() * outs, image = shape.height * shape.width * ins;
  const int64_t most = convolution_tiles(shape), input_stride = element_stride(most, ins),
                product_stride = element_stride(most, wide);
  const Seen seen{shape.height, shape.width, ins, shape.pad_top, shape.pad_left};
  float* inputs =
      static_cast<float*>(scratch(ScratchSlot::kPiece, kElements * (input_stride + product_stride) * sizeof(float) +
                                                           seen.most_values<OfInputs>(most) * sizeof(Value)));
  auto* copied = reinterpret_cast<Value*>(inputs + kElements * (input_stride + product_stride));
  // Products of as many channels take the place of what they are computed from, which is less memory to keep near.
  float* products = ins == outs && outs == wide ? inputs : inputs + kElements * input_stride;
  for (Tiles block(shape); block.left() > 0;) {
    const int64_t count = std::min(most, block.left());
    transform_tiles<OfInputs>(inputs, input_stride, input, seen, block, count, copied);
    for (int64_t t = count; t % kRows != 0; ++t) {  // rows of no tile, whose products nobody reads
      for (int64_t e = 0; e < kElements; ++e) {
        std::memset(inputs + e * input_stride + t * ins, 0, static_cast<size_t>(ins) * sizeof(float));
      }
    }
    Tiles tiles = block, behind = block;
    for (int64_t t = 0; t < count; ++t) behind.step();
    const int64_t steps = kElements / (2 / kColumns) * (outs / wide);
    TilesAhead<false> next(input, shape.height, shape.width, ins * sizeof(Value), behind, kTaps - 1 - shape.pad_top,
                           count, steps);
    TilesAhead<true> written(output, shape.out_height(), shape.out_width(), outs * sizeof(Value), block, 0, count,
                             steps);
    for (int64_t o = 0; o < outs; o += wide) {
      const auto multiply_all = ins == kLanes && outs == kLanes ? multiply_block<1, kLanes> : multiply_block<kColumns>;
      multiply_all(products, product_stride, inputs, input_stride, kernel + o, count, shape, next, written);
      tiles = block;
      for (int64_t t = 0; t < count; ++t, tiles.step()) {
        for (int64_t c = 0; c < wide; c += kLanes) {
          const int64_t at = tiles.pixel() * outs + o + c;
          const Outputs<Value> outputs{
              output + at, addend ? addend + at : nullptr, tiles.y(), tiles.x(), tiles.rows(), tiles.columns(), out_row,
              outs};
          if (!give_outputs(outputs, products + t * wide + c, product_stride)) {
            give_plain_sums(outputs, input + tiles.image() * image, kernel + kElements * ins * outs + o + c, shape);
          }
        }
      }
    }
    block = tiles;
  }
}

// sums[kDown][16 * kColumns] += over tiles: a[tile][row] * b[tile][16 * kColumns]
template <int kDown, int kColumns>
[[gnu::always_inline]] inline void add_products(bool is_first, float* sums, const float* a, int64_t a_tile,
                                                const float* b, int64_t b_tile, int64_t tiles) {
  __m512 values[kDown][kColumns];
#pragma GCC unroll 16
  for (int r = 0; r < kDown; ++r) {
#pragma GCC unroll 2
    for (int c = 0; c < kColumns; ++c) {
      values[r][c] = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(sums + (r * kColumns + c) * kLanes);
    }
  }
  for (int64_t t = 0; t < tiles; ++t, a += a_tile, b += b_tile) {
    __m512 line[kColumns];
#pragma GCC unroll 2
    for (int c = 0; c < kColumns; ++c) line[c] = _mm512_loadu_ps(b + c * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kDown; ++r) {
      const __m512 value = _mm512_set1_ps(a[r]);
#pragma GCC unroll 2
      for (int c = 0; c < kColumns; ++c) values[r][c] = _mm512_fmadd_ps(value, line[c], values[r][c]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kDown; ++r) {
#pragma GCC unroll 2
    for (int c = 0; c < kColumns; ++c) _mm512_storeu_ps(sums + (r * kColumns + c) * kLanes, values[r][c]);
  }
}

// 16 sums of each element to those of each tap; by value, as transform_window.
[[gnu::noinline]] void transform_sums(float* to, const float* sums, int64_t step, int64_t stride) {
  transform<ToKernels>([=](int y, int x) { return _mm512_loadu_ps(sums + (y * kIn + x) * stride); },
                       [=](int y, int x, __m512 value) { _mm512_storeu_ps(to + (y * kTaps + x) * step, value); });
}

template <int kDown, int kColumns, class Value>
void sum_gradient(float* gradient, const Value* input, const Value* output_gradient, const ConvolutionShape& shape) {
  const int64_t ins = shape.in_channels, outs = shape.out_channels, wide = kColumns * kLanes;
  const int64_t most = gradient_tiles(shape), input_stride = element_stride(most, ins),
                gradient_stride = element_stride(most, outs), sum_stride = element_stride(ins, outs);
  const Seen seen{shape.height, shape.width, ins, shape.pad_top, shape.pad_left};
  const Seen given{shape.out_height(), shape.out_width(), outs, 0, 0};
  const int64_t floats = kElements * (input_stride + gradient_stride + sum_stride);
  const int64_t values = std::max(seen.most_values<OfInputs>(most), given.most_values<OfGradients>(most));
  float* inputs = static_cast<float*>(scratch(ScratchSlot::kPiece, floats * sizeof(float) + values * sizeof(Value)));
  float *gradients = inputs + kElements * input_stride, *sums = gradients + kElements * gradient_stride;
  auto* copied = reinterpret_cast<Value*>(inputs + floats);
  // sums: [element][in / kDown][out / wide][kDown][wide]
  bool is_first = true;
  for (Tiles tiles(shape); tiles.left() > 0; is_first = false) {
    const int64_t count = std::min(most, tiles.left());
    transform_tiles<OfInputs>(inputs, input_stride, input, seen, tiles, count, copied);
    transform_tiles<OfGradients>(gradients, gradient_stride, output_gradient, given, tiles, count, copied);
    for (int64_t t = 0; t < count; ++t) tiles.step();
    TilesAhead<false> next(input, shape.height, shape.width, ins * sizeof(Value), tiles, kTaps - 1 - shape.pad_top,
                           count, kElements);
    TilesAhead<false> next_gradients(output_gradient, given.height, given.width, outs * sizeof(Value), tiles, 0, count,
                                     kElements);
    for (int64_t e = 0; e < kElements; ++e) {
      next.step();
      next_gradients.step();
      const float *a = inputs + e * input_stride, *b = gradients + e * gradient_stride;
      float* to = sums + e * sum_stride;
      for (int64_t i = 0; i < ins; i += kDown) {
        for (int64_t o = 0; o < outs; o += wide, to += kDown * wide) {
          add_products<kDown, kColumns>(is_first, to, a + i, ins, b + o, outs, count);
        }
      }
    }
  }
  const float* from = sums;
  for (int64_t i = 0; i < ins; i += kDown) {
    for (int64_t o = 0; o < outs; o += wide) {
      for (int64_t k = 0; k < kDown * kColumns; ++k, from += kLanes) {
        transform_sums(gradient + (i + k / kColumns) * outs + o + k % kColumns * kLanes, from, ins * outs, sum_stride);
      }
    }
  }
}

// 16 values of each tap, transformed and, behind all of those, as they are; each tap's lie `step` apart, both ways. As
// transform_window, without references and loops.
template <class Value>
[[gnu::noinline]] void transform_taps(float* to, const float* taps, int64_t step) {
  transform<OfKernels>(
      [=](int y, int x) {
        const __m512 tap = rounded<Value>(_mm512_loadu_ps(taps + (y * kTaps + x) * step));
        _mm512_storeu_ps(to + (kElements + y * kTaps + x) * step, tap);
        return tap;
      },
      [=](int y, int x, __m512 value) { _mm512_storeu_ps(to + (y * kIn + x) * step, value); });
}

// The same of the kernel turned round, whose 16 values lie `apart`.
template <class Value>
[[gnu::noinline]] void transform_turned_taps(float* to, const float* taps, int64_t step, __m512i apart) {
  transform<OfKernels>(
      [=](int y, int x) {
        const float* tap = taps + ((kTaps - 1 - y) * kTaps + kTaps - 1 - x) * step;
        const __m512 values = rounded<Value>(_mm512_i32gather_ps(apart, tap, sizeof(float)));
        _mm512_storeu_ps(to + (kElements + y * kTaps + x) * step, values);
        return values;
      },
      [=](int y, int x, __m512 value) { _mm512_storeu_ps(to + (y * kIn + x) * step, value); });
}

}  // namespace

int64_t winograd_kernel_bytes(const ConvolutionShape& shape) {
  return (kElements + kTaps * kTaps) * shape.in_channels * shape.out_channels * static_cast<int64_t>(sizeof(float));
}

template <class Value>
void transform_kernel(float* transformed, const float* kernel, const ConvolutionShape& shape, int64_t begin,
                      int64_t end) {
  const int64_t outs = shape.out_channels, step = shape.in_channels * outs;
  for (int64_t k = begin * outs; k < end * outs; k += kLanes) transform_taps<Value>(transformed + k, kernel + k, step);
}

template <class Value>
void transform_turned_kernel(float* transformed, const float* kernel, const ConvolutionShape& shape, int64_t begin,
                             int64_t end) {
  const int64_t ins = shape.in_channels, outs = shape.out_channels, step = ins * outs;
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i apart = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(outs)));
  for (int64_t o = begin; o < end; ++o) {
    for (int64_t i = 0; i < ins; i += kLanes) {
      transform_turned_taps<Value>(transformed + o * ins + i, kernel + i * outs + o, step, apart);
    }
  }
}

template <class Value>
void winograd_convolution(Value* output, const Value* input, const float* transformed_kernel, const Value* addend,
                          const ConvolutionShape& shape) {
  const auto run = shape.out_channels % 32 == 0 ? convolve_images<2, Value> : convolve_images<1, Value>;
  run(output, input, transformed_kernel, addend, shape);
}

template <class Value>
void winograd_kernel_gradient(float* gradient, const Value* input, const Value* output_gradient,
                              const ConvolutionShape& shape) {
  const auto run = shape.out_channels % 32 == 0 ? sum_gradient<8, 2, Value> : sum_gradient<16, 1, Value>;
  run(gradient, input, output_gradient, shape);
}

template void transform_kernel<float>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void transform_kernel<uint16_t>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void transform_turned_kernel<float>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void transform_turned_kernel<uint16_t>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void winograd_convolution(float*, const float*, const float*, const float*, const ConvolutionShape&);
template void winograd_convolution(uint16_t*, const uint16_t*, const float*, const uint16_t*, const ConvolutionShape&);
template void winograd_kernel_gradient(float*, const float*, const float*, const ConvolutionShape&);
template void winograd_kernel_gradient(float*, const uint16_t*, const uint16_t*, const ConvolutionShape&);

}  // namespace lambda_fast
