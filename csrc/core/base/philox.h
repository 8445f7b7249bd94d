// Philox-4x32-10: the counter-based generator behind every random choice.
//
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A block of four
// 32-bit words is a pure function of (counter, key), so a sample's dice need no state and no order.
#pragma once

#include <cstdint>

#include "core/base/host_device.h"

namespace lambda_fast {

struct PhiloxBlock {
  uint32_t word[4];
};

LF_HOST_DEVICE PhiloxBlock philox(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter.word[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(product0)}};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

// Whose dice these are. Nothing else (thread, batch slot, rank, device) may enter a random choice.
struct SampleKey {
  uint64_t seed;
  uint64_t sample;
  uint32_t epoch;
};

// The counter's last word says what the block is for, so that one feature never shifts another's dice.
enum DiceStream : uint32_t {
  kDiceGeometry = 0,         // crop row, crop column, flip, brightness
  kDiceColour = 1,           // contrast, saturation, cutout row, cutout column
  kDiceResizedCrop = 2,      // + attempt: area or short side, aspect, row, column
  kDicePolicy = 16,           // + step of a policy: operation, sign, level
  kDiceOrder = 0x80000000u,  // + Feistel round: the epoch's permutation
};

LF_HOST_DEVICE PhiloxBlock dice(const SampleKey& key, uint32_t stream) {
  return philox({{static_cast<uint32_t>(key.sample), static_cast<uint32_t>(key.sample >> 32), key.epoch, stream}},
                static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32));
}

// Uniform in [0, 1), a multiple of 2^-24: exact in float and in double.
LF_HOST_DEVICE double unit_interval(uint32_t word) { return (word >> 8) * (1.0 / 16777216.0); }

// Uniform in [low, high).
LF_HOST_DEVICE double between(uint32_t word, double low, double high) {
  return low + (high - low) * unit_interval(word);
}

// Uniform in {0, …, count - 1} by multiply-shift; the bias is below count / 2^32.
LF_HOST_DEVICE int32_t below(uint32_t word, int32_t count) {
  return static_cast<int32_t>((uint64_t{word} * static_cast<uint32_t>(count)) >> 32);
}

}  // namespace lambda_fast
