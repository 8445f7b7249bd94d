#include "core/image/row_index.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr int64_t kMostRows = 64;  // of a file: all of a photograph of 500 pixels

// Of the file's length and eight bytes from `byte` on.
uint32_t check_of(const uint8_t* bytes, int64_t count, int64_t byte) {
  uint64_t found = 0;
  std::memcpy(&found, bytes + byte, static_cast<size_t>(std::min<int64_t>(8, count - byte)));
  return static_cast<uint32_t>(((found ^ static_cast<uint64_t>(count)) * 0x9E3779B97F4A7C15u) >> 32);
}

}  // namespace

RowIndex::RowIndex(int64_t files, int64_t most_bytes) : files_(files) {
  require(files >= 0 && most_bytes >= 0, "row_index", "expected numbers of files and bytes; found ", files, " and ",
          most_bytes);
  const int64_t each = static_cast<int64_t>(sizeof(Kept)) * std::max<int64_t>(files, 1);
  kept_ = static_cast<int32_t>(std::min(kMostRows, most_bytes / each));
  starts_.resize(static_cast<size_t>(files * kept_));
}

bool RowIndex::find(int64_t file, int32_t row, int32_t stride, const uint8_t* bytes, int64_t count, RowStart* start) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (int32_t place = std::min(row / stride, kept_); place > 0; --place) {
    const Kept& kept = starts_[static_cast<size_t>(file * kept_ + place - 1)];
    if (kept.byte == 0) continue;
    if (kept.byte >= count || kept.check != check_of(bytes, count, kept.byte)) return false;
    *start = {kept.byte, kept.gone, {kept.values[0], kept.values[1], kept.values[2]}, place * stride};
    return true;
  }
  return false;
}

void RowIndex::keep(int64_t file, int32_t stride, const RowStart& start, const uint8_t* bytes, int64_t count) {
  const int32_t place = start.row / stride;
  if (place < 1 || place > kept_ || start.byte >= count || start.byte > std::numeric_limits<uint32_t>::max()) return;
  Kept kept;
  kept.byte = static_cast<uint32_t>(start.byte);
  kept.gone = static_cast<uint8_t>(start.gone);
  for (int i = 0; i < 3; ++i) {
    kept.values[i] = static_cast<int16_t>(start.values[i]);
    if (kept.values[i] != start.values[i]) return;  // no photograph's
  }
  kept.check = check_of(bytes, count, start.byte);
  const std::lock_guard<std::mutex> lock(mutex_);
  starts_[static_cast<size_t>(file * kept_ + place - 1)] = kept;
}

}  // namespace lambda_fast
