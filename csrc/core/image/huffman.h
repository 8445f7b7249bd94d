// Huffman codes of JPEG, for whoever walks over them: how many bits they take counts, not what they say.
//
// ITU-T T.81: annex C for the codes, annex F.1.2 for what stands behind them. A code of a DC table says how many bits
// of the difference follow; one of an AC table how many coefficients to skip and how many bits of the next one follow.
#pragma once

#include <array>
#include <cstdint>

namespace lambda_fast {

inline constexpr int kPeekBits = 11;  // looked up at once: two tables of 4 KB and 4 KB stay in L1

// As a file has it: how many codes there are of 1 to 16 bits, and the symbols in the order of their codes.
struct HuffmanCodes {
  std::array<uint8_t, 16> counts{};
  std::array<uint8_t, 256> symbols{};  // zeros behind the last

  bool operator==(const HuffmanCodes& other) const { return counts == other.counts && symbols == other.symbols; }
};

// One AC symbol, or two, that begin with the same kPeekBits bits. Packed, because walking waits for each look-up:
// bits 0 to 5 hold the bits that they take, with what follows the codes: 1 to 26; 0: a code that is longer. The others
// hold the coefficients that they fill or skip, 1 to 63, and kEndOfRun where the last one ends the block.
using AcRun = uint16_t;
inline constexpr int kEndOfRun = 128;
inline constexpr int run_bits(AcRun run) { return run & 63; }
inline constexpr int run_advance(AcRun run) { return run >> 6; }

struct Code {
  uint16_t code = 0;
  uint8_t length = 0;  // bits; 0: the table has none for this symbol
};

struct HuffmanTable {
  HuffmanCodes codes;  // that it was built from

  std::array<Code, 256> of_symbol{};

  // By the next kPeekBits bits: the first symbol and the length of its code, 0 where that is longer.
  struct Symbol {
    uint8_t symbol = 0, length = 0;
  };
  std::array<Symbol, 1 << kPeekBits> first{};
  std::array<AcRun, 1 << kPeekBits> run{};  // once they are built
  bool has_runs = false;

  // By length: the largest code of it, -1 where there is none, and what to add to a code to get the symbol's place.
  std::array<int32_t, 17> largest{}, offset{};

  // False where the codes do not fit into their lengths.
  bool build(const HuffmanCodes& found);

  // For a table of AC: what it takes to walk over blocks.
  void build_runs();

  // The symbol that these bits (the first one is the highest of 32) begin with, and its length; 0 where none is.
  Symbol symbol_of(uint32_t bits) const;
};

}  // namespace lambda_fast
