// The row loops of batch normalisation. CMake compiles this file once for each instruction set, with LF_ISA naming it.
//
// A tile is four registers of neighbouring channels, whose constants and sums stay there while the loop runs down the
// rows. Where a tile holds several rows of a narrow tensor, they are taken as one, so that it fills the registers too
// and memory is read in order.
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
LF_INLINE void store(uint16_t* to, const Floats& value) {
#if defined(__AVX512BF16__)  // the same, but that values below float32's normal ones become zero
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh((__m512)value));
#else
  const Words bits = __builtin_bit_cast(Words, value);
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words quiet = (bits >> 16) | 0x40u;
  const Words chosen = value == value ? rounded : quiet;
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

// A constant of each channel, in the tile's registers.
template <int kRegisters>
struct Constants {
  Floats values[kRegisters];
  LF_INLINE Constants(const float* from, const Tile& tile) {
    float spread[kTile] = {};
    tile.each_lane([&](int lane, int64_t channel) { spread[lane] = from[channel]; });
    for (int k = 0; k < kRegisters; ++k) values[k] = load(spread + k * kLanes);
  }
};

template <int kRegisters>
struct Sums {
  Floats values[kRegisters] = {};
  LF_INLINE void add_to(float* to, const Tile& tile) const {
    float spread[kTile] = {};
    for (int k = 0; k < kRegisters; ++k) store(spread + k * kLanes, values[k]);
    tile.each_lane([&](int lane, int64_t channel) { to[channel] += spread[lane]; });
  }
};

template <class T, bool kWhole>
LF_INLINE Floats lanes_at(const T* from, const Tile& tile) {
  if constexpr (kWhole) return load(from);
  return load(from, tile.lanes);
}

template <class T, bool kWhole>
LF_INLINE void lanes_to(T* to, const Floats& value, const Tile& tile) {
  if constexpr (kWhole) return store(to, value);
  return store(to, value, tile.lanes);
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
    Sums<kRegisters> total;
    const T* x = static_cast<const T*>(input) + tile.offset;
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride) {
      for (int k = 0; k < kRegisters; ++k) total.values[k] += lanes_at<T, whole>(x + k * kLanes, tile);
    }
    total.add_to(result, tile);
  });
}

template <class T>
void square(float* result, const void* input, const float* center, int64_t rows, int64_t channels) {
  std::memset(result, 0, channels * sizeof(float));
  for_tiles(rows, channels, [&](const Tile& tile, auto registers, auto whole) {
    constexpr int kRegisters = registers;
    const Constants<kRegisters> middle(center, tile);
    Sums<kRegisters> total;
    const T* x = static_cast<const T*>(input) + tile.offset;
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride) {
      for (int k = 0; k < kRegisters; ++k) {
        const Floats away = lanes_at<T, whole>(x + k * kLanes, tile) - middle.values[k];
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
    const Constants<kRegisters> gains(gain, tile), middle(center, tile), offsets(offset, tile);
    const T* x = static_cast<const T*>(input) + tile.offset;
    const T* r = static_cast<const T*>(residual) + tile.offset;
    T* y = static_cast<T*>(output) + tile.offset;
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride, r += tile.stride, y += tile.stride) {
      for (int k = 0; k < kRegisters; ++k) {
        Floats value =
            gains.values[k] * (lanes_at<T, whole>(x + k * kLanes, tile) - middle.values[k]) + offsets.values[k];
        if constexpr (kResidual) value += lanes_at<T, whole>(r + k * kLanes, tile);
        if constexpr (kRelu) value = value < 0.0f ? Floats{} : value;  // NaN stays
        lanes_to<T, whole>(y + k * kLanes, value, tile);
      }
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
    const Constants<kRegisters> middle(center, tile), gains(kMask == Mask::kByInput ? mask.gain : center, tile),
        offsets(kMask == Mask::kByInput ? mask.offset : center, tile);
    Sums<kRegisters> total, product;
    const T* x = static_cast<const T*>(input) + tile.offset;
    const T* y = static_cast<const T*>(kMask == Mask::kByOutput ? mask.output : input) + tile.offset;
    const T* g = static_cast<const T*>(gradient) + tile.offset;
    T* p = static_cast<T*>(passed) + (kPasses ? tile.offset : 0);
    for (int64_t row = 0; row < tile.rows; ++row) {
      for (int k = 0; k < kRegisters; ++k) {
        Floats through = lanes_at<T, whole>(g + k * kLanes, tile);
        const Floats away = lanes_at<T, whole>(x + k * kLanes, tile) - middle.values[k];
        if constexpr (kMask == Mask::kByOutput) {
          through = lanes_at<T, whole>(y + k * kLanes, tile) > 0.0f ? through : Floats{};
        }
        if constexpr (kMask == Mask::kByInput) {
          through = gains.values[k] * away + offsets.values[k] > kLeastPositive<T> ? through : Floats{};
        }
        if constexpr (kPasses) lanes_to<T, whole>(p + k * kLanes, through, tile);
        total.values[k] += through;
        product.values[k] += through * away;
      }
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
    const Constants<kRegisters> gains(gain, tile), middle(center, tile), slopes(slope, tile), shifts(shift, tile),
        forward(kMasks ? mask.gain : center, tile), offsets(kMasks ? mask.offset : center, tile);
    const T* x = static_cast<const T*>(input) + tile.offset;
    const T* g = static_cast<const T*>(gradient) + tile.offset;
    T* dx = static_cast<T*>(input_gradient) + tile.offset;
    for (int64_t row = 0; row < tile.rows; ++row, x += tile.stride, g += tile.stride, dx += tile.stride) {
      for (int k = 0; k < kRegisters; ++k) {
        Floats through = lanes_at<T, whole>(g + k * kLanes, tile);
        const Floats away = lanes_at<T, whole>(x + k * kLanes, tile) - middle.values[k];
        if constexpr (kMasks) {
          through = forward.values[k] * away + offsets.values[k] > kLeastPositive<T> ? through : Floats{};
        }
        lanes_to<T, whole>(dx + k * kLanes, gains.values[k] * through - slopes.values[k] * away - shifts.values[k],
                           tile);
      }
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
