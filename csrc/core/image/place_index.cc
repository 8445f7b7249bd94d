#include "core/image/place_index.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr int64_t kMostPlaces = 512;  // of a file
constexpr int64_t kLeastStride = 4;   // MCUs that are walked over as fast as they are looked for

uint64_t mix(uint64_t state, uint64_t word) {
  state = (state ^ word) * 0x9E3779B97F4A7C15u;
  return state ^ state >> 32;
}

}  // namespace

uint32_t Prefix::upto(int64_t byte) {
  if (byte < mixed_) mixed_ = 0, state_ = static_cast<uint64_t>(count_);
  for (; mixed_ + 8 <= byte; mixed_ += 8) {
    uint64_t word;
    std::memcpy(&word, bytes_ + mixed_, sizeof word);
    state_ = mix(state_, word);
  }
  uint64_t rest[2] = {};  // up to seven bytes before, and eight from there on
  std::memcpy(rest, bytes_ + mixed_, static_cast<size_t>(std::min<int64_t>(byte + 8, count_) - mixed_));
  return static_cast<uint32_t>(mix(mix(state_, rest[0]), rest[1]) >> 32);
}

PlaceIndex::PlaceIndex(int64_t files, int64_t most_bytes) : files_(files) {
  require(files >= 0 && most_bytes >= 0, "place_index", "expected numbers of files and bytes; found ", files, " and ",
          most_bytes);
  const int64_t each = static_cast<int64_t>(sizeof(Kept)) * std::max<int64_t>(files, 1);
  kept_ = std::min(kMostPlaces, most_bytes / each);
}

int64_t PlaceIndex::stride(int64_t mcus) const { return std::max(kLeastStride, mcus / (kept_ + 1) + 1); }

void PlaceIndex::find(int64_t file, int64_t stride, int64_t mcu, Prefix& prefix, JpegPlace* place) {
  int64_t at = std::min(mcu / stride, kept_);
  const int64_t behind = place->mcu / stride;  // those up to there are no gain
  Kept kept;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (places_.empty()) return;
    for (; at > behind && kept.byte == 0; --at) kept = places_[static_cast<size_t>(file * kept_ + at - 1)];
  }
  if (kept.byte == 0 || kept.byte <= place->byte || !prefix.is(kept.byte, kept.check)) return;
  *place = {kept.byte, kept.gone, {kept.values[0], kept.values[1], kept.values[2]}, (at + 1) * stride};
}

void PlaceIndex::keep(int64_t file, int64_t stride, const JpegPlace& place, Prefix& prefix) {
  const int64_t at = place.mcu / stride;
  if (at < 1 || at > kept_ || place.byte > std::numeric_limits<uint32_t>::max()) return;
  Kept kept;
  kept.byte = static_cast<uint32_t>(place.byte);
  kept.gone = static_cast<uint8_t>(place.gone);
  std::copy(place.values, place.values + 3, kept.values);
  kept.check = prefix.upto(place.byte);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (places_.empty()) places_.resize(static_cast<size_t>(files_ * kept_));
  places_[static_cast<size_t>(file * kept_ + at - 1)] = kept;
}

}  // namespace lambda_fast
