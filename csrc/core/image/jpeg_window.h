// Makes shorter JPEGs, of which no decoder has to read what lies above or beside a window.
//
// Huffman codes have no index: who decodes a window decodes all codes above it, and those beside it to the left and to
// the right, libjpeg with everything that it would need to show them. To walk over codes takes a third of that time,
// and an index of places that were met before makes that short.
#pragma once

#include <cstdint>

#include "core/image/place_index.h"
#include "core/image/resize.h"

namespace lambda_fast {

struct CutJpeg {
  int64_t begin = 0;              // byte at which the shorter JPEG begins
  int32_t rows = 0, columns = 0;  // of pixels that it lacks at its top and at its left
};

// A window (of the upright image) shows the same pixels in the JPEG that is left, at row `y - rows` and column
// `x - columns`.
//
// bytes: the file [count], sound as inspect_encoded_image has it; written over where something is left out.
// index: where MCUs begin, in this file and others, for the next time; null: it is not kept.
// file: its place in the index.
//
// Nothing is done to files that are no baseline JPEGs of one scan, that have restart markers or EXIF (which may turn
// them), or whose codes are found to be damaged on the way: decoders see these as they are.
CutJpeg cut_jpeg(uint8_t* bytes, int64_t count, const Window& window, PlaceIndex* index = nullptr, int64_t file = 0);

}  // namespace lambda_fast
