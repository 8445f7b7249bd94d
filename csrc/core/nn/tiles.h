// AMX's matrix tiles for our kernels: eight registers of 16 rows of 64 bytes, and C += A * B on them.
//
//   C  float32 [16, 16]      sums
//   A  bfloat16 [16, 32]     rows of the left matrix
//   B  bfloat16 [16, 16, 2]  the right matrix, its rows in pairs: B[k / 2][n][k % 2]
//
// A multiplication takes 16 cycles and its sum is there after 52, so kernels keep four sums or more at work. To load a
// tile takes 8 cycles where its rows lie in the first cache, each in a line of its own.
//
// Intel, Architecture Instruction Set Extensions, chapter 3. As assembly, because the intrinsics want literals.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lambda_fast {

inline constexpr int64_t kTileRows = 16, kTileColumns = 16;
inline constexpr int64_t kTileDepth = 32;  // bfloat16 values in a row of A
inline constexpr int64_t kTileBytes = 1024;

// Rows of each tile, and bytes of a row, while it lives; the tiles are zeros at first. One for a thread at a time.
class TileShapes {
 public:
  TileShapes() {
    for (int tile = 0; tile < 8; ++tile) set(tile, 16, 64);
  }

  void set(int tile, int64_t rows, int64_t row_bytes) {
    layout_.rows[tile] = static_cast<uint8_t>(rows);
    layout_.row_bytes[tile] = static_cast<uint16_t>(row_bytes);
  }

  void load() const { asm volatile("ldtilecfg %0" ::"m"(layout_)); }
  static void release() { asm volatile("tilerelease" ::: "memory"); }

 private:
  struct alignas(64) Layout {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } layout_;
};

template <int kTile>
inline void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

// `stride` in bytes, from row to row.
template <int kTile>
inline void load_tile(const void* base, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(base), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
inline void store_tile(void* base, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(base), "r"(stride), "i"(kTile) : "memory");
}

// Tile kC += tile kA * tile kB.
template <int kC, int kA, int kB>
inline void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
}

// Asks for memory before it is needed, a few lines at each step of other work: the tiles' loads do not reach far ahead,
// and a store waits for its line as a load does.
class Ahead {
 public:
  enum class Use { kRead, kWrite };

  Ahead(Use use, const void* memory, int64_t bytes, int64_t steps)
      : use_(use),
        at_(static_cast<const char*>(memory)),
        left_((bytes + 63) / 64),
        lines_((left_ + steps - 1) / steps) {}

  void step() {
    for (int64_t k = std::min(lines_, left_); k > 0; --k, --left_, at_ += 64) {
      if (use_ == Use::kRead) {
        __builtin_prefetch(at_, 0, 2);  // to the second cache
      } else {
        asm volatile("prefetchw %0" ::"m"(*at_));
      }
    }
  }

 private:
  Use use_;
  const char* at_;
  int64_t left_, lines_;
};

}  // namespace lambda_fast
