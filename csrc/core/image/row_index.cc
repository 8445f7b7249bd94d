#include "core/image/row_index.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr int64_t kMostRows = 64;  // of a file: all of a photograph of 500 pixels

uint64_t mix(uint64_t state, uint64_t word) {
  state = (state ^ word) * 0x9E3779B97F4A7C15u;
  return state ^ state >> 32;
}

}  // namespace

uint32_t Prefix::upto(int64_t byte) {
  for (; mixed_ + 8 <= byte; mixed_ += 8) {
    uint64_t word;
    std::memcpy(&word, bytes_ + mixed_, sizeof word);
    state_ = mix(state_, word);
  }
  uint64_t rest[2] = {};  // up to seven bytes before, and eight from there on
  std::memcpy(rest, bytes_ + mixed_, static_cast<size_t>(std::min<int64_t>(byte + 8, count_) - mixed_));
  return static_cast<uint32_t>(mix(mix(state_, rest[0]), rest[1]) >> 32);
}

RowIndex::RowIndex(int64_t files, int64_t most_bytes) : files_(files) {
  require(files >= 0 && most_bytes >= 0, "row_index", "expected numbers of files and bytes; found ", files, " and ",
          most_bytes);
  const int64_t each = static_cast<int64_t>(sizeof(Kept)) * std::max<int64_t>(files, 1);
  kept_ = static_cast<int32_t>(std::min(kMostRows, most_bytes / each));
}

bool RowIndex::find(int64_t file, int32_t row, int32_t stride, const uint8_t* bytes, int64_t count, RowStart* start) {
  int32_t place = std::min(row / stride, kept_);
  Kept kept;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (starts_.empty()) return false;
    for (; place > 0 && kept.byte == 0; --place) kept = starts_[static_cast<size_t>(file * kept_ + place - 1)];
  }
  if (kept.byte == 0 || kept.byte >= count || kept.check != Prefix(bytes, count).upto(kept.byte)) return false;
  *start = {kept.byte, kept.gone, {kept.values[0], kept.values[1], kept.values[2]}, (place + 1) * stride};
  return true;
}

void RowIndex::keep(int64_t file, int32_t stride, const RowStart& start, Prefix& prefix) {
  const int32_t place = start.row / stride;
  if (place < 1 || place > kept_ || start.byte > std::numeric_limits<uint32_t>::max()) return;
  Kept kept;
  kept.byte = static_cast<uint32_t>(start.byte);
  kept.gone = static_cast<uint8_t>(start.gone);
  std::copy(start.values, start.values + 3, kept.values);
  kept.check = prefix.upto(start.byte);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (starts_.empty()) starts_.resize(static_cast<size_t>(files_ * kept_));
  starts_[static_cast<size_t>(file * kept_ + place - 1)] = kept;
}

}  // namespace lambda_fast
