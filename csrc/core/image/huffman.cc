#include "core/image/huffman.h"

#include <cstddef>

namespace lambda_fast {
namespace {

constexpr int kRunOfZeros = 0xF0;  // sixteen of them, and no coefficient

// The symbol that these bits begin with, as a run of one.
AcRun run_of(HuffmanTable::Symbol next) {
  if (next.length == 0) return 0;
  const int size = next.symbol & 15, zeros = next.symbol >> 4;
  const bool end = size == 0 && next.symbol != kRunOfZeros;
  return static_cast<AcRun>((end ? kEndOfRun : zeros + 1) << 6 | (next.length + size));
}

}  // namespace

bool HuffmanTable::build(const HuffmanCodes& found) {
  has_runs = false;
  codes = found;
  of_symbol = {};
  first = {};
  int32_t code = 0, place = 0;
  for (int length = 1; length <= 16; ++length) {
    const int32_t count = found.counts[length - 1];
    largest[length] = -1;
    offset[length] = place - code;
    if (place + count > 256 || code + count > 1 << length) return false;
    for (int32_t i = 0; i < count; ++i, ++code, ++place) {
      const uint8_t symbol = found.symbols[place];
      of_symbol[symbol] = {static_cast<uint16_t>(code), static_cast<uint8_t>(length)};
      largest[length] = code;
      if (length > kPeekBits) continue;
      const int free = kPeekBits - length;
      for (int32_t rest = 0; rest < 1 << free; ++rest)
        first[code << free | rest] = {symbol, static_cast<uint8_t>(length)};
    }
    code <<= 1;
  }
  return true;
}

void HuffmanTable::build_runs() {
  if (has_runs) return;
  has_runs = true;
  std::array<AcRun, 1 << kPeekBits> alone;
  for (size_t peeked = 0; peeked < alone.size(); ++peeked) alone[peeked] = run_of(first[peeked]);
  for (size_t peeked = 0; peeked < alone.size(); ++peeked) {
    const AcRun one = alone[peeked];
    const size_t behind = peeked << run_bits(one) & (alone.size() - 1);
    const bool known = one != 0 && run_advance(one) < kEndOfRun && alone[behind] != 0 &&
                       run_bits(one) + first[behind].length <= kPeekBits;
    run[peeked] = static_cast<AcRun>(known ? one + alone[behind] : one);  // both fields at once
  }
}

HuffmanTable::Symbol HuffmanTable::symbol_of(uint32_t bits) const {
  const Symbol known = first[bits >> (32 - kPeekBits)];
  if (known.length != 0) return known;
  for (int length = kPeekBits + 1; length <= 16; ++length) {
    const auto code = static_cast<int32_t>(bits >> (32 - length));
    if (code <= largest[length]) {
      const int32_t place = code + offset[length];
      if (place < 0 || place > 255) break;
      return {codes.symbols[place], static_cast<uint8_t>(length)};
    }
  }
  return {};
}

}  // namespace lambda_fast
