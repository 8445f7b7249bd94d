// What the bytes of an encoded image tell before a decoder sees them: its format, and damage.
//
// Decoders fill in what is missing (libjpeg paints the rest of a truncated JPEG grey), and one that decodes a region
// does not look beyond it. Whether a sample is good must be a fact of its file alone, so the whole structure is walked.
#pragma once

#include <cstdint>
#include <string>

namespace lambda_fast {

struct EncodedImage {
  std::string fault;              // what is wrong, as in "is truncated: …"; else ""
  int32_t height = 0, width = 0;  // pixels, upright; 0 where a decoder must be asked
};

// Looks at a JPEG, PNG, BMP, TIFF, WebP, PNM or JPEG 2000 file. JPEG and PNG are walked to their end marker, and tell
// their size unless they carry EXIF, which may turn them; of the others the first bytes are looked at.
EncodedImage inspect_encoded_image(const uint8_t* bytes, int64_t count);

}  // namespace lambda_fast
