// Leaves out of a JPEG everything but a window of MCUs.
//
//   before:  ... | row: left | window | right | row: left | window | right | ...
//   after:   header | window of a row | window of the next row | ... | end
//
// What is kept of a row is copied bit by bit, for it begins anywhere in a byte. Only the first difference of each
// component changes: it counts from the last block of what is kept of the row above now.
#pragma once

#include <cstdint>

#include "core/image/jpeg_scan.h"

namespace lambda_fast {

// Of MCUs: from the first to before the last.
struct McuWindow {
  int32_t top, bottom, left, right;
};

// The byte at which the JPEG of the window begins, which ends with the file; 0, and nothing done, where the file's
// codes do not allow that. Its header is as it was.
int64_t cut_jpeg_columns(uint8_t* bytes, int64_t count, const JpegHeader& header, const McuWindow& window,
                         JpegWalker& walker);

}  // namespace lambda_fast
