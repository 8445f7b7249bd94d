// The order of an epoch: a keyed permutation of the sample ids, any part of which can be asked for.
//
// A Feistel network over the smallest even number of bits that holds `size`, with Philox as round function, walked
// until it lands inside the range (Black and Rogaway: "Ciphers with arbitrary finite domains", 2002). Nothing is
// buffered, so nothing has to be saved to resume.
#pragma once

#include <cstdint>

#include "core/base/error.h"
#include "core/base/philox.h"

namespace lambda_fast {

// The epoch as the counter carries it. Values that come from device memory are taken as they are.
inline uint32_t checked_epoch(int64_t epoch, const char* where) {
  require(0 <= epoch && epoch < (int64_t{1} << 32), where, "expected an epoch in [0, 2^32), found ", epoch);
  return static_cast<uint32_t>(epoch);
}

inline constexpr int kFeistelRounds = 8;

// The sample id at `position` of epoch `epoch`; 0 <= position < size.
inline uint64_t permuted(uint64_t seed, uint32_t epoch, uint64_t size, uint64_t position) {
  int half = 1;
  while (2 * half < 64 && (size - 1) >> (2 * half) != 0) ++half;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = position >> half, right = position & mask;
    for (int round = 0; round < kFeistelRounds; ++round) {
      const PhiloxBlock block = dice({seed, right, epoch}, kDiceOrder + round);
      const uint64_t next = left ^ (block.word[0] & mask);
      left = right;
      right = next;
    }
    position = (left << half) | right;
  } while (position >= size);
  return position;
}

// Writes the ids at positions [begin, begin + count) of the epoch's order.
inline void sample_order(int64_t* ids, uint64_t seed, uint32_t epoch, int64_t size, int64_t begin, int64_t count) {
  require(size > 0, "sample_order", "expected a size of at least 1, found ", size);
  require(0 <= begin && 0 <= count && count <= size && begin <= size - count, "sample_order",
          "expected positions within [0, ", size, "), found ", count, " from ", begin);
  for (int64_t i = 0; i < count; ++i) {
    ids[i] = static_cast<int64_t>(permuted(seed, epoch, static_cast<uint64_t>(size), static_cast<uint64_t>(begin + i)));
  }
}

}  // namespace lambda_fast
