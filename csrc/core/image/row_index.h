// Where rows of MCUs begin in JPEGs that were walked over before, so that later epochs begin near the row they want.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace lambda_fast {

// The bit at which a row's first code begins, and what its differences count from.
struct RowStart {
  int64_t byte = 0;  // of the file, that holds the bit
  int gone = 0;      // bits of that byte before it
  int32_t values[3] = {};
  int32_t row = 0;
};

// What the first bytes of a file are, told by a number: where a row begins and what it counts from depends on them all.
class Prefix {
 public:
  Prefix(const uint8_t* bytes, int64_t count) : bytes_(bytes), count_(count), state_(static_cast<uint64_t>(count)) {}

  // Of the bytes before `byte` and the eight from there on, which is no less than at the call before.
  uint32_t upto(int64_t byte);

 private:
  const uint8_t* bytes_;
  int64_t count_, mixed_ = 0;
  uint64_t state_;
};

// A few rows of each file, evenly apart, in memory that does not grow with the number of files. Threads may share it.
class RowIndex {
 public:
  // files: how many; most_bytes: of memory, which are few rows of many files or many rows of few.
  RowIndex(int64_t files, int64_t most_bytes);

  int64_t files() const { return files_; }

  // How many rows lie from one that is kept to the next, in a file with so many.
  int32_t stride(int32_t rows) const { return rows / (kept_ + 1) + 1; }

  // The last kept row at or before `row`. False where there is none, or where the file is another one by now.
  bool find(int64_t file, int32_t row, int32_t stride, const uint8_t* bytes, int64_t count, RowStart* start);

  // Keeps a row that is a multiple of the stride, of a file with this prefix.
  void keep(int64_t file, int32_t stride, const RowStart& start, Prefix& prefix);

 private:
  struct Kept {
    uint32_t byte = 0;  // 0: none
    uint32_t check = 0;
    int16_t values[3] = {};
    uint8_t gone = 0;
  };

  int64_t files_;
  int32_t kept_;              // rows of a file
  std::vector<Kept> starts_;  // empty until a row is kept: many an inputter never cuts
  std::mutex mutex_;
};

}  // namespace lambda_fast
