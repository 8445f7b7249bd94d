// Leaves out of a JPEG the rows above a window, so that no decoder has to read them.
//
// Huffman codes have no index: who decodes a window decodes all codes above it, libjpeg with everything that it would
// need to show them. To walk over codes takes a third of that time.
//
//   before:  header | rows of blocks above             | rows of the window and below
//   after:            header, lower height | one empty row | rows of the window and below, the same bytes
//
// A row begins in the middle of a byte, and its first blocks hold differences to the last ones above. So one row of
// empty blocks goes before it, which leaves each component at the value that the next difference counts from, and
// takes as many bits as it needs to end where the row begins. Nothing behind is moved or coded anew.
#pragma once

#include <cstdint>

#include "core/image/row_index.h"

namespace lambda_fast {

struct SkippedRows {
  int64_t begin = 0;  // byte at which the shorter JPEG begins; it ends with the file
  int32_t rows = 0;   // of pixels that it lacks at its top; 0: nothing was done
};

// A window whose first row is `y` shows the same pixels in the JPEG that is left, at row `y - rows`.
//
// bytes: the file [count], sound as inspect_encoded_image has it. The part that is left out is written over.
// index: where rows begin, of this file and others, for the next time; null: it is not kept.
// file: its place in the index.
//
// Nothing is done to files that are no baseline JPEGs of one scan, that have restart markers or EXIF (which may turn
// them), or whose codes are damaged above the window: decoders see these as they are.
SkippedRows skip_jpeg_rows(uint8_t* bytes, int64_t count, int32_t y, RowIndex* index = nullptr, int64_t file = 0);

}  // namespace lambda_fast
