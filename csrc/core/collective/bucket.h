// A bucket: many tensors laid out as one run of values, so that one collective moves them all. Pure arithmetic.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "core/collective/value.h"

namespace lambda_fast {

// One tensor of a list: where it lies, and where its result goes (the same place, or another).
struct Piece {
  const void* input;
  void* output;
  int64_t count;
  ValueType type;
};

// Goes on with a hash by one more word (FNV-1a).
constexpr uint64_t kHashStart = 14695981039346656037u;
constexpr uint64_t hashed(uint64_t hash, uint64_t word) { return (hash ^ word) * 1099511628211u; }

// Values [offset, offset + count) of the bucket are piece `i`; offsets are multiples of kAlignment. Gaps hold
// zeros where `pack` writes them, and whatever was there on a GPU.
class Bucket {
 public:
  static constexpr int64_t kAlignment = 16;  // 64 bytes of float32

  explicit Bucket(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
    for (const Piece& piece : pieces_) {
      offsets_.push_back(size_);
      size_ += (piece.count + kAlignment - 1) / kAlignment * kAlignment;
    }
    wire_ = pieces_.empty() ? ValueType::kFloat32 : pieces_[0].type;
    for (const Piece& piece : pieces_) {
      if (piece.type != wire_) wire_ = ValueType::kFloat32;
    }
  }

  const std::vector<Piece>& pieces() const { return pieces_; }
  int64_t offset(size_t i) const { return offsets_[i]; }
  int64_t size() const { return size_; }

  // The type in which values travel: that of all pieces, or float32 for a mixed list. Sums are float32 in any case.
  ValueType wire() const { return wire_; }

  // A number that differs where counts, types or their order do, so that ranks can compare their calls.
  uint64_t layout() const {
    uint64_t hash = kHashStart;
    for (const Piece& piece : pieces_) {
      hash = hashed(hashed(hash, static_cast<uint64_t>(piece.count)), static_cast<uint64_t>(piece.type));
    }
    return hash;
  }

  // Writes values [begin, end) of the bucket as `wire` to `out`.
  void pack(void* out, int64_t begin, int64_t end, ValueType wire) const {
    std::memset(out, 0, (end - begin) * size_of(wire));
    each(begin, end, [&](const Piece& piece, int64_t from, int64_t at, int64_t count) {
      convert(static_cast<char*>(out) + at * size_of(wire), wire,
              static_cast<const char*>(piece.input) + from * size_of(piece.type), piece.type, count);
    });
  }

  // Reads values [begin, end) of the bucket from `in` into the pieces' outputs.
  void unpack(const void* in, int64_t begin, int64_t end, ValueType wire) const {
    each(begin, end, [&](const Piece& piece, int64_t from, int64_t at, int64_t count) {
      convert(static_cast<char*>(piece.output) + from * size_of(piece.type), piece.type,
              static_cast<const char*>(in) + at * size_of(wire), wire, count);
    });
  }

  // Gives each piece's values back as they are.
  void keep() const {
    for (const Piece& piece : pieces_) {
      if (piece.output != piece.input) std::memcpy(piece.output, piece.input, piece.count * size_of(piece.type));
    }
  }

 private:
  // Calls body(piece, from, at, count) for each part of a piece within [begin, end): its values from `from` on lie
  // `at` values after `begin`.
  template <class Body>
  void each(int64_t begin, int64_t end, Body&& body) const {
    auto next = std::upper_bound(offsets_.begin(), offsets_.end(), begin) - offsets_.begin();
    for (size_t i = next > 0 ? next - 1 : 0; i < pieces_.size() && offsets_[i] < end; ++i) {
      const int64_t first = std::max(begin, offsets_[i]);
      const int64_t last = std::min(end, offsets_[i] + pieces_[i].count);
      if (first < last) body(pieces_[i], first - offsets_[i], first - begin, last - first);
    }
  }

  static void convert(void* out, ValueType to, const void* in, ValueType from, int64_t count) {
    if (to == from) {
      std::memcpy(out, in, count * size_of(to));
      return;
    }
    with_type(to, [&](auto wanted) {
      with_type(from, [&](auto given) {
        auto* target = static_cast<decltype(wanted)*>(out);
        auto* source = static_cast<const decltype(given)*>(in);
        for (int64_t i = 0; i < count; ++i) narrow(widened(source[i]), target + i);
      });
    });
  }

  std::vector<Piece> pieces_;
  std::vector<int64_t> offsets_;
  int64_t size_ = 0;
  ValueType wire_;
};

// Where round [begin, end) is summed by `ranks` ranks, rank r sums values [r * part, (r + 1) * part) of it, as far as
// there are any: multiples of the alignment, so that no two ranks write into one cache line.
inline int64_t part_of(int64_t values, int ranks) {
  constexpr int64_t kAlignment = Bucket::kAlignment;
  return (values / kAlignment + ranks - 1) / ranks * kAlignment;
}

// One rank's part of a sum: float32 sums in the order of the ranks, so that nobody's timing changes a bit; divided
// and rounded once. Rank r's values lie at `first + r * stride`; `out` may be one of them.
template <class Wire>
void sum_in_order(Wire* out, const Wire* first, int64_t stride, int ranks, int64_t count, float divisor) {
  constexpr int64_t kBlock = 1024;
  float sum[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    for (int64_t i = 0; i < size; ++i) sum[i] = widened(first[begin + i]);
    for (int rank = 1; rank < ranks; ++rank) {
      const Wire* const values = first + rank * stride + begin;
      for (int64_t i = 0; i < size; ++i) sum[i] += widened(values[i]);
    }
    for (int64_t i = 0; i < size; ++i) narrow(sum[i] / divisor, out + begin + i);
  }
}

}  // namespace lambda_fast
