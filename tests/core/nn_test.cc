// Tests of the core's own convolution kernels and batch normalisation against plain loops, for the sanitizers: every
// buffer is exactly as long as it must be.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/isa.h"
#include "core/base/philox.h"
#include "core/base/thread_pool.h"
#include "core/nn/batch_norm.h"
#include "core/nn/batch_norm_rows.h"
#include "core/nn/convolution.h"
#include "core/nn/kernel_gradient_bf16.h"
#include "core/nn/own_kernels.h"
#include "core/nn/tile_convolution_bf16.h"
#include "core/nn/tile_kernel_gradient_bf16.h"
#include "core/nn/winograd.h"

namespace lambda_fast {
namespace {

int failures = 0, checks = 0;

void check(bool ok, const std::string& what) {
  ++checks;
  if (ok) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

float as_float(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t as_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// Exactly `count` values within [-1, 1), on the heap of their own, where the sanitizer sees any step beyond.
template <class Value>
std::unique_ptr<Value[]> random_values(int64_t count, uint32_t seed) {
  std::unique_ptr<Value[]> values(new Value[static_cast<size_t>(count)]);
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t word = philox({{static_cast<uint32_t>(i), seed, 0, 0}}, 3, 5).word[0];
    const float value = static_cast<float>(word >> 8) / (1 << 23) - 1.0f;
    if constexpr (std::is_same_v<Value, float>) {
      values[i] = value;
    } else {
      values[i] = as_half(value);
    }
  }
  return values;
}

// Calls body(input index, kernel index, output index) for every product of a convolution.
template <class Body>
void for_products(const ConvolutionShape& s, const Body& body) {
  for (int64_t n = 0; n < s.count; ++n) {
    for (int64_t y = 0; y < s.out_height(); ++y) {
      for (int64_t x = 0; x < s.out_width(); ++x) {
        for (int64_t ky = 0; ky < s.kernel_height; ++ky) {
          for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
            const int64_t in_y = y * s.stride[0] + ky - s.pad_top, in_x = x * s.stride[1] + kx - s.pad_left;
            if (in_y < 0 || in_y >= s.height || in_x < 0 || in_x >= s.width) continue;
            for (int64_t i = 0; i < s.in_channels; ++i) {
              for (int64_t o = 0; o < s.out_channels; ++o) {
                body(((n * s.height + in_y) * s.width + in_x) * s.in_channels + i,
                     ((ky * s.kernel_width + kx) * s.in_channels + i) * s.out_channels + o,
                     ((n * s.out_height() + y) * s.out_width() + x) * s.out_channels + o);
              }
            }
          }
        }
      }
    }
  }
}

void test_convolution(const ConvolutionShape& s, const std::string& name) {
  const int64_t inputs = s.count * s.height * s.width * s.in_channels, taps = s.kernel_height * s.kernel_width;
  const int64_t kernels = taps * s.in_channels * s.out_channels;
  const int64_t outputs = s.count * s.out_height() * s.out_width() * s.out_channels;
  const auto x = random_values<uint16_t>(inputs, 1), dy = random_values<uint16_t>(outputs, 2);
  auto kernel = random_values<float>(kernels, 3);
  for (int64_t i = 0; i < kernels; ++i) kernel[i] = as_float(as_half(kernel[i]));
  std::vector<double> y(outputs), dkernel(kernels), dx(inputs);
  for_products(s, [&](int64_t i, int64_t k, int64_t o) {
    y[o] += static_cast<double>(as_float(x[i])) * kernel[k];
    dkernel[k] += static_cast<double>(as_float(x[i])) * as_float(dy[o]);
    dx[i] += static_cast<double>(as_float(dy[o])) * kernel[k];
  });

  const auto sums_to = [&](auto* add, const char* what) {
    std::unique_ptr<float[]> found(new float[static_cast<size_t>(kernels)]());
    add(found.get(), x.get(), dy.get(), s);
    double worst = 0;
    for (int64_t i = 0; i < kernels; ++i) worst = std::max(worst, std::abs(found[i] - dkernel[i]));
    check(worst < 1e-4 * std::sqrt(static_cast<double>(outputs)),
          name + ": " + what + " off by " + std::to_string(worst));
  };
  if (has_kernel_gradient_bf16(s)) sums_to(add_kernel_gradient_bf16, "kernel gradient");
  if (has_tile_kernel_gradient_bf16(s)) sums_to(tile_kernel_gradient_bf16, "kernel gradient by tiles");
  if (has_winograd(FloatType::kBFloat16, s)) sums_to(winograd_kernel_gradient<uint16_t>, "kernel gradient by Winograd");

  const auto is_close = [&](const uint16_t* found, const std::vector<double>& expected, const std::string& what) {
    double worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(as_float(found[i]) - expected[i]) / (1.0 + std::abs(expected[i])));
    }
    check(worst < 1.0 / 200, name + ": " + what + " off by " + std::to_string(worst));
  };
  const auto holds = [&](const ConvolutionShape& shape, const uint16_t* from, auto* pack_for_tiles, auto* transform,
                         const std::vector<double>& expected, const std::string& what) {
    std::unique_ptr<uint16_t[]> found(new uint16_t[expected.size()]);
    const auto addend = random_values<uint16_t>(static_cast<int64_t>(expected.size()), 4);
    std::vector<double> sum(expected);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += as_float(addend[i]);
    if (has_winograd(FloatType::kBFloat16, shape)) {
      std::unique_ptr<float[]> transformed(new float[static_cast<size_t>(winograd_kernel_bytes(s) / 4)]);
      transform(transformed.get(), kernel.get(), s, 0, shape.in_channels);
      winograd_convolution<uint16_t>(found.get(), from, transformed.get(), nullptr, shape);
      is_close(found.get(), expected, what + " by Winograd");
      winograd_convolution<uint16_t>(found.get(), from, transformed.get(), addend.get(), shape);
      is_close(found.get(), sum, what + " by Winograd, and an addend");
    }
    if (has_tile_convolution_bf16(shape)) {
      std::unique_ptr<uint16_t[]> packed(new uint16_t[static_cast<size_t>(tile_kernel_bytes(shape) / 2)]);
      pack_for_tiles(packed.get(), kernel.get(), s);
      tile_convolution_bf16(found.get(), from, packed.get(), nullptr, shape);
      is_close(found.get(), expected, what + " by tiles");
      tile_convolution_bf16(found.get(), from, packed.get(), addend.get(), shape);
      is_close(found.get(), sum, what + " by tiles, and an addend");
    }
  };
  holds(s, x.get(), pack_tile_kernel_bf16, transform_kernel<uint16_t>, y, "output");
  if (s.stride[0] != 1 || s.stride[1] != 1) return;
  holds(turned(s), dy.get(), pack_turned_tile_kernel_bf16, transform_turned_kernel<uint16_t>, dx, "input gradient");
}

// In float32, against the same loops: a few rounding errors of the largest values.
void test_winograd(const ConvolutionShape& s, const std::string& name) {
  if (!has_winograd(FloatType::kFloat32, s)) return;
  const int64_t inputs = s.count * s.height * s.width * s.in_channels, kernels = 9 * s.in_channels * s.out_channels;
  const int64_t outputs = s.count * s.out_height() * s.out_width() * s.out_channels;
  const auto x = random_values<float>(inputs, 1), dy = random_values<float>(outputs, 2),
             kernel = random_values<float>(kernels, 3), addend = random_values<float>(outputs, 4);
  std::vector<double> y(outputs), dkernel(kernels), dx(inputs);
  for_products(s, [&](int64_t i, int64_t k, int64_t o) {
    y[o] += static_cast<double>(x[i]) * kernel[k];
    dkernel[k] += static_cast<double>(x[i]) * dy[o];
    dx[i] += static_cast<double>(dy[o]) * kernel[k];
  });
  const auto is_close = [&](const float* found, const std::vector<double>& expected, const std::string& what) {
    double worst = 0, largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(found[i] - expected[i])), largest = std::max(largest, std::abs(expected[i]));
    }
    check(worst < 4e-6 * largest, name + ": " + what + " by Winograd off by " + std::to_string(worst / largest * 1e6) +
                                      " millionths of the largest");
  };
  std::unique_ptr<float[]> transformed(new float[static_cast<size_t>(winograd_kernel_bytes(s) / 4)]);
  std::unique_ptr<float[]> found(new float[static_cast<size_t>(std::max({inputs, kernels, outputs}))]);
  transform_kernel<float>(transformed.get(), kernel.get(), s, 0, s.in_channels);
  winograd_convolution<float>(found.get(), x.get(), transformed.get(), nullptr, s);
  is_close(found.get(), y, "output");
  winograd_convolution<float>(found.get(), x.get(), transformed.get(), addend.get(), s);
  std::vector<double> sum(y);
  for (int64_t i = 0; i < outputs; ++i) sum[i] += addend[i];
  is_close(found.get(), sum, "output and an addend");
  winograd_kernel_gradient<float>(found.get(), x.get(), dy.get(), s);
  is_close(found.get(), dkernel, "kernel gradient");
  if (!has_winograd(FloatType::kFloat32, turned(s))) return;
  transform_turned_kernel<float>(transformed.get(), kernel.get(), s, 0, s.out_channels);
  winograd_convolution<float>(found.get(), dy.get(), transformed.get(), nullptr, turned(s));
  is_close(found.get(), dx, "input gradient");
}

// What is not finite is where plain sums have it: a value of the input, one too large to be transformed, and one of the
// kernel, which spoils its output channel.
void test_winograd_beside_values_that_are_not_finite() {
  const ConvolutionShape s{2, 9, 10, 16, 3, 3, 32, {1, 1}, 1, 1, 1, 1};
  if (!has_winograd(FloatType::kFloat32, s)) return;
  const int64_t image = 90 * 16, outputs = 2 * 90 * 32;
  auto x = random_values<float>(2 * image, 1), kernel = random_values<float>(9 * 16 * 32, 3);
  x[image + 47 * 16 + 3] = INFINITY, x[image + 12 * 16] = 2e38f;
  for (int64_t tap = 0; tap < 9; ++tap) kernel[tap * 16 * 32 + 7] *= 0.1f;  // times 2e38: finite
  kernel[(4 * 16 + 5) * 32 + 30] = NAN;
  std::vector<double> y(outputs);
  for_products(s, [&](int64_t i, int64_t k, int64_t o) { y[o] += static_cast<double>(x[i]) * kernel[k]; });
  std::unique_ptr<float[]> transformed(new float[static_cast<size_t>(winograd_kernel_bytes(s) / 4)]);
  std::unique_ptr<float[]> found(new float[static_cast<size_t>(outputs)]);
  transform_kernel<float>(transformed.get(), kernel.get(), s, 0, s.in_channels);
  winograd_convolution<float>(found.get(), x.get(), transformed.get(), nullptr, s);
  int64_t spoilt = 0, wrong = 0;
  for (int64_t i = 0; i < outputs; ++i) {
    const bool is_finite = std::isfinite(y[i]) && std::abs(y[i]) < 3.4e38;
    spoilt += !is_finite;
    wrong += is_finite != std::isfinite(found[i]) ||
             (is_finite && std::abs(found[i] - y[i]) > 1e-5 * std::max(20.0, std::abs(y[i])));
  }
  check(spoilt >= 9 * 31 + 180 && wrong == 0,
        "Winograd beside values that are not finite: " + std::to_string(wrong) + " outputs wrong");
}

template <class Value>
void test_batch_norm(int64_t rows, int64_t channels, bool has_residual, Executor* executor) {
  const std::string name = "batch norm of " + std::to_string(rows) + "x" + std::to_string(channels) +
                           (has_residual ? " and a residual" : "");
  constexpr FloatType type = std::is_same_v<Value, float> ? FloatType::kFloat32 : FloatType::kBFloat16;
  const auto wide = [](Value value) {
    if constexpr (std::is_same_v<Value, float>) return static_cast<double>(value);
    return static_cast<double>(as_float(static_cast<uint16_t>(value)));
  };
  const int64_t count = rows * channels;
  const auto x = random_values<Value>(count, 1), r = random_values<Value>(count, 2),
             dy = random_values<Value>(count, 3);
  const auto scale = random_values<float>(channels, 4), offset = random_values<float>(channels, 5);
  std::unique_ptr<Value[]> y(new Value[static_cast<size_t>(count)]), dx(new Value[static_cast<size_t>(count)]),
      dr(new Value[static_cast<size_t>(count)]);
  std::unique_ptr<float[]> mean(new float[static_cast<size_t>(channels)]),
      variance(new float[static_cast<size_t>(channels)]), dscale(new float[static_cast<size_t>(channels)]),
      doffset(new float[static_cast<size_t>(channels)]);
  const BatchNormSpec spec{1e-3f, true};
  const BatchNormShape shape{rows, channels};
  batch_norm(y.get(), mean.get(), variance.get(), x.get(), scale.get(), offset.get(), has_residual ? r.get() : nullptr,
             type, shape, spec, {executor, nullptr});
  batch_norm_backward(dx.get(), dscale.get(), doffset.get(), has_residual ? dr.get() : nullptr, dy.get(), x.get(),
                      y.get(), scale.get(), offset.get(), mean.get(), variance.get(), type, shape, spec,
                      {executor, nullptr});
  double worst = 0;
  for (int64_t c = 0; c < channels; ++c) {
    double m = 0, v = 0, sum = 0, product = 0;
    for (int64_t i = c; i < count; i += channels) m += wide(x[i]) / rows;
    for (int64_t i = c; i < count; i += channels) v += (wide(x[i]) - m) * (wide(x[i]) - m) / rows;
    const double deviation = 1 / std::sqrt(v + spec.epsilon);
    worst = std::max({worst, std::abs(mean[c] - m), std::abs(variance[c] - v)});
    for (int64_t i = c; i < count; i += channels) {
      const double value =
          std::max(0.0, scale[c] * (wide(x[i]) - m) * deviation + offset[c] + (has_residual ? wide(r[i]) : 0.0));
      const double tolerance = type == FloatType::kFloat32 ? 1 : 100;  // bfloat16 keeps 8 bits
      worst = std::max(worst, std::abs(wide(y[i]) - value) / tolerance / (1 + value));
      const double g = wide(y[i]) > 0 ? wide(dy[i]) : 0;
      if (has_residual && wide(dr[i]) != g) worst = 1;
      sum += g, product += g * (wide(x[i]) - m) * deviation;
    }
    worst = std::max({worst, std::abs(doffset[c] - sum) / rows, std::abs(dscale[c] - product) / rows});
    for (int64_t i = c; i < count; i += channels) {
      const double g = wide(y[i]) > 0 ? wide(dy[i]) : 0;
      const double value = scale[c] * deviation * (g - sum / rows - (wide(x[i]) - m) * deviation * product / rows);
      const double tolerance = type == FloatType::kFloat32 ? 1 : 100;
      worst = std::max(worst, std::abs(wide(dx[i]) - value) / tolerance / (1 + std::abs(value)) / (1 + deviation));
    }
  }
  check(worst < 1e-4, name + ": off by " + std::to_string(worst));
}

// Row loops of one table: values, and sums of each channel.
template <class Value>
struct Rows {
  std::vector<std::unique_ptr<Value[]>> values;
  std::vector<std::unique_ptr<float[]>> sums;
};

// Each function of a table, with and without what it can do without.
template <class Value>
Rows<Value> run_table(const BatchNormKernels& kernels, const Value* x, const Value* r, const Value* dy,
                      const std::unique_ptr<float[]> (&constants)[5], int64_t rows, int64_t channels) {
  const float *gain = constants[0].get(), *center = constants[1].get(), *offset = constants[2].get(),
              *slope = constants[3].get(), *shift = constants[4].get();
  Rows<Value> found;
  const auto values = [&] {
    found.values.emplace_back(new Value[static_cast<size_t>(rows * channels)]);
    return found.values.back().get();
  };
  const auto sums = [&] {
    found.sums.emplace_back(new float[static_cast<size_t>(channels)]);
    return found.sums.back().get();
  };
  kernels.sum(sums(), x, rows, channels);
  kernels.square(sums(), x, center, rows, channels);
  for (const Value* residual : {static_cast<const Value*>(nullptr), r}) {
    for (const bool relu : {false, true}) {
      kernels.apply(values(), x, residual, gain, center, offset, relu, rows, channels);
    }
  }
  const Value* y = found.values.back().get();
  const ReluMask by_input{nullptr, gain, offset};
  for (const ReluMask& mask : {ReluMask{}, by_input, ReluMask{y, nullptr, nullptr}}) {
    for (const bool passes : {false, true}) {
      float *sum = sums(), *product = sums();
      kernels.backward_sums(sum, product, passes ? values() : nullptr, dy, x, mask, center, rows, channels);
    }
    if (mask.output != nullptr) continue;
    kernels.backward_apply(values(), dy, x, mask, gain, center, slope, shift, rows, channels);
  }
  return found;
}

// What each table writes for each value is the same bits (of these; AVX512-BF16 makes zero of subnormal ones). What it
// sums, in an order of its own, is nearly the same.
//   special  plain sums of tensors with values that are not finite, and of those that lie between two of bfloat16
template <class Value>
void test_tables(int64_t rows, int64_t channels, bool special) {
  constexpr FloatType type = std::is_same_v<Value, float> ? FloatType::kFloat32 : FloatType::kBFloat16;
  std::vector<std::pair<const char*, const BatchNormKernels*>> tables;
#if defined(__x86_64__)
  if (chosen_isa() >= Isa::kAvx2) tables.emplace_back("avx2", batch_norm_kernels_avx2(type));
  if (chosen_isa() >= Isa::kAvx512) tables.emplace_back("avx512", batch_norm_kernels_avx512(type));
  if (has_dot_products()) tables.emplace_back("avx512_bf16", batch_norm_kernels_avx512_bf16(type));
#endif
  const int64_t count = rows * channels;
  const auto x = random_values<Value>(count, 1), r = random_values<Value>(count, 2),
             dy = random_values<Value>(count, 3);
  std::unique_ptr<float[]> constants[5];
  for (uint32_t k = 0; k < 5; ++k) constants[k] = random_values<float>(channels, 4 + k);
  if (special) {
    for (int k = 0; k < 5; ++k) std::fill_n(constants[k].get(), channels, k == 0 ? 1.0f : 0.0f);  // y = x + residual
    // Infinities, zeros of both signs, and NaNs, one of which rounding up would make an infinity or less.
    const uint32_t bits[] = {0x7f800000, 0xff800000, 0x80000000, 0, 0x7fc00000, 0xffffffff, 0x7f810000};
    for (int64_t i = 0; i < count; i += 5) {
      const uint32_t word = bits[static_cast<size_t>(i / 5) % std::size(bits)];
      for (Value* tensor : {x.get(), i % 2 == 0 ? dy.get() : x.get()}) {
        if constexpr (std::is_same_v<Value, float>) {
          std::memcpy(tensor + i, &word, sizeof word);
        } else {
          tensor[i] = static_cast<Value>(word >> 16);
        }
      }
    }
  }
  const auto run = [&](const BatchNormKernels& kernels) {
    return run_table<Value>(kernels, x.get(), r.get(), dy.get(), constants, rows, channels);
  };
  const Rows<Value> plain = run(*batch_norm_kernels_portable(type));
  for (const auto& [isa, kernels] : tables) {
    const Rows<Value> found = run(*kernels);
    bool same = true, near = true;
    for (size_t k = 0; k < plain.values.size(); ++k) {
      same = same && std::memcmp(found.values[k].get(), plain.values[k].get(), count * sizeof(Value)) == 0;
    }
    for (size_t k = 0; k < plain.sums.size(); ++k) {
      for (int64_t c = 0; c < channels; ++c) {
        near = near && (special || std::abs(found.sums[k][c] - plain.sums[k][c]) <= 1e-5 * static_cast<double>(rows));
      }
    }
    const std::string name = std::string("rows of ") + isa + ", " + std::to_string(rows) + "x" +
                             std::to_string(channels) + (type == FloatType::kFloat32 ? ", float32" : ", bfloat16") +
                             (special ? ", special values" : "");
    check(same, name + ": the portable loops' bits");
    check(near, name + ": their sums");
  }
}

}  // namespace
}  // namespace lambda_fast

int main() {
  using lambda_fast::ConvolutionShape;
  for (const int64_t width : {3, 7, 8, 11, 16, 19}) {
    for (const int64_t in : {8, 16, 32}) {
      for (const int64_t out : {16, 32, 48}) {
        for (const int64_t stride : {1, 2}) {
          for (const int64_t pad : {0, 1}) {
            const ConvolutionShape shape{3, 5, width, in, 3, 3, out, {stride, stride}, pad, 1, pad, 1};
            const std::string name = "convolution of width " + std::to_string(width) + ", " + std::to_string(in) +
                                     " to " + std::to_string(out) + " channels, stride " + std::to_string(stride) +
                                     ", pad " + std::to_string(pad);
            lambda_fast::test_convolution(shape, name);
            lambda_fast::test_winograd(shape, name);
          }
        }
      }
    }
  }
  // Several bands; one image; padding beyond the kernel, beyond the image, and uneven; other strides; a single column.
  for (const ConvolutionShape& shape : {ConvolutionShape{2, 70, 9, 16, 3, 3, 16, {1, 1}, 1, 1, 1, 1},
                                        ConvolutionShape{1, 9, 40, 32, 3, 3, 32, {1, 1}, 1, 1, 1, 1},
                                        ConvolutionShape{3, 4, 8, 16, 3, 3, 16, {1, 1}, 3, 4, 1, 0},
                                        ConvolutionShape{3, 4, 8, 16, 3, 3, 16, {1, 1}, 0, 2, 0, 1},
                                        ConvolutionShape{2, 2, 3, 8, 3, 3, 32, {1, 1}, 5, 5, 6, 7},
                                        ConvolutionShape{3, 11, 13, 16, 3, 3, 16, {3, 2}, 0, 1, 2, 1},
                                        ConvolutionShape{3, 11, 13, 8, 3, 3, 48, {1, 3}, 2, 1, 0, 1},
                                        ConvolutionShape{1, 7, 1, 8, 3, 3, 16, {1, 1}, 1, 1, 1, 1},
                                        ConvolutionShape{7, 8, 8, 64, 3, 3, 64, {1, 1}, 1, 1, 1, 1},
                                        ConvolutionShape{3, 33, 20, 32, 3, 3, 32, {1, 1}, 1, 1, 1, 1},
                                        ConvolutionShape{2, 12, 10, 16, 5, 5, 32, {1, 1}, 2, 2, 2, 2},
                                        ConvolutionShape{2, 6, 21, 6, 1, 1, 48, {1, 1}, 0, 0, 0, 0},
                                        ConvolutionShape{2, 9, 9, 16, 1, 3, 16, {1, 1}, 0, 0, 1, 1},
                                        ConvolutionShape{3, 5, 6, 16, 3, 3, 16, {1, 1}, 4, 3, 4, 5},
                                        ConvolutionShape{2, 9, 13, 160, 3, 3, 112, {1, 1}, 1, 1, 1, 1},
                                        ConvolutionShape{1, 4, 4, 256, 3, 3, 16, {1, 1}, 1, 1, 1, 1}}) {
    const std::string name = "convolution of " + std::to_string(shape.height) + "x" + std::to_string(shape.width);
    lambda_fast::test_convolution(shape, name);
    lambda_fast::test_winograd(shape, name);
  }
  lambda_fast::test_winograd_beside_values_that_are_not_finite();
  lambda_fast::ThreadPool pool(3);
  for (const int64_t channels : {1, 3, 5, 16, 24, 32, 64, 100, 130}) {
    for (const int64_t rows : {1, 2, 7, 700}) {
      for (const bool has_residual : {true, false}) {
        lambda_fast::test_batch_norm<float>(rows, channels, has_residual, &pool);
        lambda_fast::test_batch_norm<uint16_t>(rows, channels, has_residual, &pool);
      }
      for (const bool special : {false, true}) {
        lambda_fast::test_tables<float>(rows, channels, special);
        lambda_fast::test_tables<uint16_t>(rows, channels, special);
      }
    }
  }
  lambda_fast::test_batch_norm<float>(40000, 3, true, &pool);
  std::printf("%d passed, %d failed (rows: %s)\n", lambda_fast::checks - lambda_fast::failures, lambda_fast::failures,
              lambda_fast::name_of(lambda_fast::chosen_isa()));
  return lambda_fast::failures == 0 ? 0 : 1;
}
