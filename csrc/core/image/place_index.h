// Where MCUs begin in JPEGs that were walked over before, so that later epochs begin near the place they want.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace lambda_fast {

// The bit at which an MCU's first code begins, and what its differences count from.
struct JpegPlace {
  int64_t byte = 0;  // of the file, that holds the bit
  int gone = 0;      // bits of that byte before it
  int32_t values[3] = {};
  int64_t mcu = 0;  // row by row
};

// What the first bytes of a file are, told by a number: where an MCU begins and what it counts from depends on them
// all.
class Prefix {
 public:
  Prefix(const uint8_t* bytes, int64_t count) : bytes_(bytes), count_(count), state_(static_cast<uint64_t>(count)) {}

  // Of the bytes before `byte` and the eight from there on. Takes the bytes since the call before, or all anew.
  uint32_t upto(int64_t byte);

  bool is(int64_t byte, uint32_t check) { return byte < count_ && upto(byte) == check; }

 private:
  const uint8_t* bytes_;
  int64_t count_, mixed_ = 0;
  uint64_t state_;
};

// A few places of each file, evenly apart, in memory that does not grow with the number of files. Threads may share it.
class PlaceIndex {
 public:
  // files: how many; most_bytes: of memory, which are few places of many files or many places of few.
  PlaceIndex(int64_t files, int64_t most_bytes);

  int64_t files() const { return files_; }

  // How many MCUs lie from one place that is kept to the next, in a file with so many.
  int64_t stride(int64_t mcus) const;

  // Moves `place` forward to the last kept one at or before `mcu`, if there is one behind it, of a file with this
  // prefix.
  void find(int64_t file, int64_t stride, int64_t mcu, Prefix& prefix, JpegPlace* place);

  // Keeps a place that is a multiple of the stride.
  void keep(int64_t file, int64_t stride, const JpegPlace& place, Prefix& prefix);

 private:
  struct Kept {
    uint32_t byte = 0;  // 0: none
    uint32_t check = 0;
    int16_t values[3] = {};
    uint8_t gone = 0;
  };

  int64_t files_, kept_;      // places of a file
  std::vector<Kept> places_;  // empty until one is kept: many an inputter never cuts
  std::mutex mutex_;
};

}  // namespace lambda_fast
