// The row loops of batch normalisation. CMake compiles this file once for each instruction set, with LF_ISA naming it.
//
// A tile is four registers of neighbouring channels, whose constants and sums stay there while the loop runs down the
// rows. Where a tile holds several rows of a narrow tensor, they are taken as one, so that it fills the registers too
// and memory is read in order. Lines of memory are asked for ahead, by each pass that reads them first: the processor
// does so by itself within a page only.
//
// With AVX-512, bfloat16 comes in pairs: a word of two of them is one float once its lower half is zero, and another
// once it is shifted up, which takes half of the instructions that widening one by one takes. So two registers hold the
// even and the odd channels of 32.
#include "core/nn/batch_norm_rows.h"

#include <cstring>
#include <type_traits>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define LF_JOIN_(a, b) a##b
#define LF_JOIN(a, b) LF_JOIN_(a, b)

namespace lambda_fast {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
constexpr int kTile = 4 * kLanes;

// The compiler's vectors, one register each.
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Words = uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = uint16_t __attribute__((vector_size(2 * kLanes)));

#define LF_INLINE inline __attribute__((always_inline))

LF_INLINE Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

LF_INLINE Floats load(const uint16_t* from) {
#if defined(__AVX512F__)  // GCC 12 makes two registers of it by itself
  const __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(value), 16));
#else
  Halves value;
  std::memcpy(&value, from, sizeof value);
  const Words wide = __builtin_convertvector(value, Words) << 16;
  return __builtin_bit_cast(Floats, wide);
#endif
}

LF_INLINE void store(float* to, const Floats& value) { std::memcpy(to, &value, sizeof value); }

// To nearest, ties to even; NaN stays NaN.
LF_INLINE Words nearest_half(const Floats& value) {
  const Words bits = __builtin_bit_cast(Words, value);
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words quiet = (bits >> 16) | 0x40u;
  return value == value ? rounded : quiet;
}

LF_INLINE void store(uint16_t* to, const Floats& value) {
#if defined(__AVX512BF16__)  // the same, but that values below float32's normal ones become zero
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh((__m512)value));
#else
  const Words chosen = nearest_half(value);
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(__builtin_bit_cast(__m512i, chosen)));
#else
  const Halves half = __builtin_convertvector(chosen, Halves);
  std::memcpy(to, &half, sizeof half);
#endif
#endif
}

// Fewer lanes than a register has, at the end of a row.
template <class T>
LF_INLINE Floats load(const T* from, int lanes) {
  T padded[kLanes] = {};
  std::memcpy(padded, from, lanes * sizeof(T));
  return load(padded);
}

template <class T>
LF_INLINE void store(T* to, const Floats& value, int lanes) {
  T padded[kLanes];
  store(padded, value);
  std::memcpy(to, padded, lanes * sizeof(T));
}

// Whether a row of so many registers is in pairs.
template <class T, int kRegisters>
#if defined(__AVX512F__)
constexpr bool kPaired = std::is_same_v<T, uint16_t> && kRegisters % 2 == 0;
#else
constexpr bool kPaired = false;
#endif

// The place of a tile's lane in its registers.
template <bool kPairs>
LF_INLINE int place_of(int lane) {
  constexpr int kTwo = 2 * kLanes;
  return kPairs ? lane / kTwo * kTwo + lane % 2 * kLanes + lane % kTwo / 2 : lane;
}

#if defined(__AVX512F__)
LF_INLINE void load_pair(Floats* to, const uint16_t* from) {
  const __m512i words = _mm512_loadu_si512(from);
  to[0] = _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
  to[1] = _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}

LF_INLINE void store_pair(uint16_t* to, const Floats* values) {
#if defined(__AVX512BF16__)                                                                // as above
  const auto halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)values[1], (__m512)values[0]);  // all even, then all odd
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i order = _mm512_or_si512(lane, _mm512_slli_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(16)), 16));
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(order, halves));
#else
  Words rounded[2];
  for (int k = 0; k < 2; ++k) rounded[k] = nearest_half(values[k]);
  const Words words = rounded[0] | rounded[1] << 16;
  std::memcpy(to, &words, sizeof words);
#endif
}
#endif

// Where a tile lies: its rows begin `stride` elements apart, and its lane l is channel (first + l) % channels.
struct Tile {
  int64_t offset, rows, stride;  // in elements
  int64_t first, channels;
  int lanes;

  template <class Body>
  LF_INLINE void each_lane(const Body& body) const {
    if (first + lanes <= channels) {
      for (int lane = 0; lane < lanes; ++lane) body(lane, first + lane);
      return;
    }
    int64_t channel = first;
    for (int lane = 0; lane < lanes; ++lane) {
      body(lane, channel);
      if (++channel == channels) channel = 0;
    }
  }
};

// A constant of each channel, in the tile's registers, as a row of T lies there.
template <class T, int kRegisters>
struct Constants {
  Floats values[kRegisters];
  LF_INLINE Constants(const float* from, const Tile& tile) {
    float spread[kTile] = {};
    tile.each_lane([&](int lane, int64_t channel) { spread[place_of<kPaired<T, kRegisters>>(lane)] = from[channel]; });
    for (int k = 0; k < kRegisters; ++k) values[k] = load(spread + k * kLanes);
  }
};

template <class T, int kRegisters>
struct Sums {
  Floats values[kRegisters] = {};
  LF_INLINE void add_to(float* to, const Tile& tile) const {
    float spread[kTile] = {};
    for (int k = 0; k < kRegisters; ++k) store(spread + k * kLanes, values[k]);
    tile.each_lane([&](int lane, int64_t channel) { to[channel] += spread[place_of<kPaired<T, kRegisters>>(lane)]; });
  }
};

// A row of a tile.
template <class T, int kRegisters, bool kWhole>
struct Row {
  Floats values[kRegisters];

  Row() = default;
  LF_INLINE Row(const T* from, const Tile& tile) {
    if constexpr (!kWhole) {
      static_assert(kRegisters == 1);
      values[0] = load(from, tile.lanes);
      return;
    }
    if constexpr (kPaired<T, kRegisters>) {
      for (int k = 0; k < kRegisters; k += 2) load_pair(values + k, from + k * kLanes);
    } else {
      for (int k = 0; k < kRegisters; ++k) values[k] = load(from + k * kLanes);
    }
  }

  LF_INLINE void store_to(T* to, const Tile& tile) const {
    if constexpr (!kWhole) return store(to, values[0], tile.lanes);
    if constexpr (kPaired<T, kRegisters>) {
      for (int k = 0; k < kRegisters; k += 2) store_pair(to + k * kLanes, values + k);
    } else {
      for (int k = 0; k < kRegisters; ++k) store(to + k * kLanes, values[k]);
    }
  }
};

// Bytes between what is read and what is asked for, about.
constexpr int64_t kAhead = 4096;

// The same in whole rows, at least one, so that it is this tile's memory that comes.
template <class T>
LF_INLINE int64_t ahead_of(const Tile& tile) {
  const int64_t row = tile.stride * static_cast<int64_t>(sizeof(T));
  return row == 0 || row > kAhead ? row : kAhead / row * row;
}

// Beyond the tensor's end too, where nothing is read: the processor ignores addresses that are not there.
template <int kRegisters, class T>
LF_INLINE void read_ahead(const T* row, int64_t ahead) {
  constexpr int64_t kBytes = kRegisters * kLanes * static_cast<int64_t>(sizeof(T));
  const uintptr_t line = reinterpret_cast<uintptr_t>(row) + static_cast<uintptr_t>(ahead);
  for (int64_t k = 0; k < kBytes; k += 64) __builtin_prefetch(reinterpret_cast<const void*>(line + k));
}

// Calls body(tile, registers, whole) for tiles that cover all rows and channels.
template <class Body>
LF_INLINE void for_tiles(int64_t rows, int64_t channels, const Body& body) {
  using Four = std::integral_constant<int, 4>;
  using One = std::integral_constant<int, 1>;
  if (channels < kTile && kTile % channels == 0) {
    const int64_t together = kTile / channels;
    body(Tile{0, rows / together, kTile, 0, channels, kTile}, Four(), std::true_type());
    const int64_t done = rows / together * together;
    const int64_t left = (rows - done) * channels;  // less than a tile, all of it one row
    for (int64_t l = 0; l < left; l += kLanes) {
      const int lanes = static_cast<int>(left - l < kLanes ? left - l : kLanes);
      body(Tile{done * channels + l, 1, 0, l % channels, channels, lanes}, One(), std::false_type());
    }
    return;
  }
  int64_t c = 0;
  for (; c + kTile <= channels; c += kTile) {
    body(Tile{c, rows, channels, c, channels, kTile}, Four(), std::true_type());
  }
  for (; c + kLanes <= channels; c += kLanes) {
    body(Tile{c, rows, channels, c, channels, kLanes}, One(), std::true_type());
  }
  if (c < channels) {
    body(Tile{c, rows, channels, c, channels, static_cast<int>(channels - c)}, One(), std::false_type());
  }
}

template <class T>
void sum(float* result, const void* input, int64_t rows, int64_t channels) {
  std::memset(result, 0, channels * sizeof(float));
  for_tiles(rows, channels, [&](const Tile& tile, auto registers, auto whole) {
    constexpr int kRegisters = registers;
    Sums<T, kRegisters> total;
    const T* x = static_cast<const T*>(input) + tile.offset;
    const int64_t ahead = ahead_of<T>(tile);
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride) {
      read_ahead<kRegisters>(x, ahead);
      const Row<T, kRegisters, whole> inputs(x, tile);
      for (int k = 0; k < kRegisters; ++k) total.values[k] += inputs.values[k];
    }
    total.add_to(result, tile);
  });
}

template <class T>
void square(float* result, const void* input, const float* center, int64_t rows, int64_t channels) {
  std::memset(result, 0, channels * sizeof(float));
  for_tiles(rows, channels, [&](const Tile& tile, auto registers, auto whole) {
    constexpr int kRegisters = registers;
    const Constants<T, kRegisters> middle(center, tile);
    Sums<T, kRegisters> total;
    const T* x = static_cast<const T*>(input) + tile.offset;
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride) {
      const Row<T, kRegisters, whole> inputs(x, tile);
      for (int k = 0; k < kRegisters; ++k) {
        const Floats away = inputs.values[k] - middle.values[k];
        total.values[k] += away * away;
      }
    }
    total.add_to(result, tile);
  });
}

template <class T, bool kResidual, bool kRelu>
void apply_as(void* output, const void* input, const void* residual, const float* gain, const float* center,
              const float* offset, int64_t rows, int64_t channels) {
  for_tiles(rows, channels, [&](const Tile& tile, auto registers, auto whole) {
    constexpr int kRegisters = registers;
    const Constants<T, kRegisters> gains(gain, tile), middle(center, tile), offsets(offset, tile);
    const T* x = static_cast<const T*>(input) + tile.offset;
    const T* r = static_cast<const T*>(residual) + tile.offset;
    T* y = static_cast<T*>(output) + tile.offset;
    const int64_t ahead = ahead_of<T>(tile);
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride, r += tile.stride, y += tile.stride) {
      read_ahead<kRegisters>(x, ahead);
      if constexpr (kResidual) read_ahead<kRegisters>(r, ahead);
      const Row<T, kRegisters, whole> inputs(x, tile);
      const Row<T, kRegisters, whole> residuals(kResidual ? r : x, tile);
      Row<T, kRegisters, whole> outputs;
      for (int k = 0; k < kRegisters; ++k) {
        Floats value = gains.values[k] * (inputs.values[k] - middle.values[k]) + offsets.values[k];
        if constexpr (kResidual) value += residuals.values[k];
        if constexpr (kRelu) value = value < 0.0f ? Floats{} : value;  // NaN stays
        outputs.values[k] = value;
      }
      outputs.store_to(y, tile);
    }
  });
}

template <class T>
void apply(void* output, const void* input, const void* residual, const float* gain, const float* center,
           const float* offset, bool relu, int64_t rows, int64_t channels) {
  const auto chosen = residual ? (relu ? apply_as<T, true, true> : apply_as<T, true, false>)
                               : (relu ? apply_as<T, false, true> : apply_as<T, false, false>);
  chosen(output, input, residual ? residual : input, gain, center, offset, rows, channels);
}

enum class Mask { kNone, kByOutput, kByInput };

// Smaller values become zero when they are rounded.
template <class T>
constexpr float kLeastPositive = std::is_same_v<T, float> ? 0.0f : 0x1p-134f;

template <class T, Mask kMask, bool kPasses>
void backward_sums_as(float* sums, float* products, void* passed, const void* gradient, const void* input,
                      const ReluMask& mask, const float* center, int64_t rows, int64_t channels) {
  std::memset(sums, 0, channels * sizeof(float));
  std::memset(products, 0, channels * sizeof(float));
  for_tiles(rows, channels, [&](const Tile& tile, auto registers, auto whole) {
    constexpr int kRegisters = registers;
    const Constants<T, kRegisters> middle(center, tile), gains(kMask == Mask::kByInput ? mask.gain : center, tile),
        offsets(kMask == Mask::kByInput ? mask.offset : center, tile);
    Sums<T, kRegisters> total, product;
    const T* x = static_cast<const T*>(input) + tile.offset;
    const T* y = static_cast<const T*>(kMask == Mask::kByOutput ? mask.output : input) + tile.offset;
    const T* g = static_cast<const T*>(gradient) + tile.offset;
    T* p = static_cast<T*>(passed) + (kPasses ? tile.offset : 0);
    const int64_t ahead = ahead_of<T>(tile);
    for (int64_t row = 0; row < tile.rows; ++row) {
      read_ahead<kRegisters>(x, ahead);
      read_ahead<kRegisters>(g, ahead);
      if constexpr (kMask == Mask::kByOutput) read_ahead<kRegisters>(y, ahead);
      const Row<T, kRegisters, whole> inputs(x, tile), gradients(g, tile);
      const Row<T, kRegisters, whole> outputs(kMask == Mask::kByOutput ? y : x, tile);
      Row<T, kRegisters, whole> passes;
      for (int k = 0; k < kRegisters; ++k) {
        Floats through = gradients.values[k];
        const Floats away = inputs.values[k] - middle.values[k];
        if constexpr (kMask == Mask::kByOutput) through = outputs.values[k] > 0.0f ? through : Floats{};
        if constexpr (kMask == Mask::kByInput) {
          through = gains.values[k] * away + offsets.values[k] > kLeastPositive<T> ? through : Floats{};
        }
        passes.values[k] = through;
        total.values[k] += through;
        product.values[k] += through * away;
      }
      if constexpr (kPasses) passes.store_to(p, tile);
      x += tile.stride, y += tile.stride, g += tile.stride;
      if constexpr (kPasses) p += tile.stride;
    }
    total.add_to(sums, tile);
    product.add_to(products, tile);
  });
}

template <class T>
void backward_sums(float* sums, float* products, void* passed, const void* gradient, const void* input,
                   const ReluMask& mask, const float* center, int64_t rows, int64_t channels) {
  const auto chosen =
      mask.output ? (passed ? backward_sums_as<T, Mask::kByOutput, true> : backward_sums_as<T, Mask::kByOutput, false>)
      : mask.gain ? (passed ? backward_sums_as<T, Mask::kByInput, true> : backward_sums_as<T, Mask::kByInput, false>)
                  : (passed ? backward_sums_as<T, Mask::kNone, true> : backward_sums_as<T, Mask::kNone, false>);
  chosen(sums, products, passed, gradient, input, mask, center, rows, channels);
}

template <class T, bool kMasks>
void backward_apply_as(void* input_gradient, const void* gradient, const void* input, const ReluMask& mask,
                       const float* gain, const float* center, const float* slope, const float* shift, int64_t rows,
                       int64_t channels) {
  for_tiles(rows, channels, [&](const Tile& tile, auto registers, auto whole) {
    constexpr int kRegisters = registers;
    const Constants<T, kRegisters> gains(gain, tile), middle(center, tile), slopes(slope, tile), shifts(shift, tile),
        forward(kMasks ? mask.gain : center, tile), offsets(kMasks ? mask.offset : center, tile);
    const T* x = static_cast<const T*>(input) + tile.offset;
    const T* g = static_cast<const T*>(gradient) + tile.offset;
    T* dx = static_cast<T*>(input_gradient) + tile.offset;
    const int64_t ahead = ahead_of<T>(tile);
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride, g += tile.stride, dx += tile.stride) {
      read_ahead<kRegisters>(x, ahead);
      read_ahead<kRegisters>(g, ahead);
      const Row<T, kRegisters, whole> inputs(x, tile), gradients(g, tile);
      Row<T, kRegisters, whole> results;
      for (int k = 0; k < kRegisters; ++k) {
        Floats through = gradients.values[k];
        const Floats away = inputs.values[k] - middle.values[k];
        if constexpr (kMasks) {
          through = forward.values[k] * away + offsets.values[k] > kLeastPositive<T> ? through : Floats{};
        }
        results.values[k] = gains.values[k] * through - slopes.values[k] * away - shifts.values[k];
      }
      results.store_to(dx, tile);
    }
  });
}

template <class T>
void backward_apply(void* input_gradient, const void* gradient, const void* input, const ReluMask& mask,
                    const float* gain, const float* center, const float* slope, const float* shift, int64_t rows,
                    int64_t channels) {
  const auto chosen = mask.gain ? backward_apply_as<T, true> : backward_apply_as<T, false>;
  chosen(input_gradient, gradient, input, mask, gain, center, slope, shift, rows, channels);
}

template <class T>
constexpr BatchNormKernels kKernels{sum<T>, square<T>, apply<T>, backward_sums<T>, backward_apply<T>};

}  // namespace

const BatchNormKernels* LF_JOIN(batch_norm_kernels_, LF_ISA)(FloatType type) {
  return type == FloatType::kFloat32 ? &kKernels<float> : &kKernels<uint16_t>;
}

}  // namespace lambda_fast
