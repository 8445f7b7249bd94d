// Leaves out of a JPEG the rows above a window, in place.
//
//   before:  header | rows of blocks above         | rows of the window and below
//   after:            header | one empty row | rows of the window and below, the same bytes
//
// A row begins in the middle of a byte, and its first blocks hold differences to the last ones above. So one row of
// empty blocks goes before it, which leaves each component at the value that the next difference counts from, and
// takes as many bits as it needs to end where the row begins. Nothing behind is moved or coded anew.
#pragma once

#include <cstdint>

#include "core/image/jpeg_scan.h"

namespace lambda_fast {

// The byte at which a JPEG begins that lacks the first `rows` rows of MCUs but has an empty one; 0, and nothing done,
// where the file's codes do not allow that. Its header is as it was.
int64_t cut_jpeg_rows(uint8_t* bytes, int64_t count, const JpegHeader& header, int32_t rows, JpegWalker& walker);

}  // namespace lambda_fast
