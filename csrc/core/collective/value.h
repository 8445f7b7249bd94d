// The float types that travel between ranks, and their way to float32 and back (to nearest, ties to even).
#pragma once

#include <cstdint>
#include <cstring>

#include "core/base/host_device.h"

namespace lambda_fast {

enum class ValueType : int32_t { kFloat32, kBFloat16, kFloat16 };

constexpr int64_t size_of(ValueType type) { return type == ValueType::kFloat32 ? 4 : 2; }

LF_HOST_DEVICE float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

LF_HOST_DEVICE uint32_t bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

struct BFloat16 {
  uint16_t bits;
};

struct Float16 {
  uint16_t bits;
};

LF_HOST_DEVICE float widened(float value) { return value; }

LF_HOST_DEVICE float widened(BFloat16 value) { return float_of_bits(uint32_t{value.bits} << 16); }

LF_HOST_DEVICE float widened(Float16 value) {
  const uint32_t sign = (value.bits & 0x8000u) << 16, magnitude = value.bits & 0x7FFFu;
  // Infinities and NaNs keep their bits; else 2^112 corrects the exponent's bias, also of subnormal numbers.
  if (magnitude >= 0x7C00u) return float_of_bits(sign | 0x7F800000u | (magnitude & 0x3FFu) << 13);
  return float_of_bits(sign | bits_of_float(float_of_bits(magnitude << 13) * float_of_bits(0x77800000u)));
}

LF_HOST_DEVICE void narrow(float value, float* out) { *out = value; }

LF_HOST_DEVICE void narrow(float value, BFloat16* out) {
  const uint32_t bits = bits_of_float(value);
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  const uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1);
  out->bits = static_cast<uint16_t>((nan ? bits | 0x400000u : rounded) >> 16);
}

LF_HOST_DEVICE void narrow(float value, Float16* out) {
  const uint32_t bits = bits_of_float(value), magnitude = bits & 0x7FFFFFFFu;
  uint32_t half;
  if (magnitude > 0x7F800000u) {
    half = 0x7E00u;  // NaN
  } else if (magnitude >= 0x477FF000u) {
    half = 0x7C00u;  // rounds to infinity
  } else if (magnitude >= 0x38800000u) {
    half = (magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1)) >> 13;
  } else {
    // Subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the lowest bits.
    half = bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3F000000u;
  }
  out->bits = static_cast<uint16_t>(bits >> 16 & 0x8000u) | static_cast<uint16_t>(half);
}

// Calls body(T{}) with the type that `type` means.
template <class Body>
void with_type(ValueType type, Body&& body) {
  switch (type) {
    case ValueType::kFloat32:
      return body(float{});
    case ValueType::kBFloat16:
      return body(BFloat16{});
    case ValueType::kFloat16:
      return body(Float16{});
  }
}

}  // namespace lambda_fast
