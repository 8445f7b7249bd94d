// What the bytes of an encoded image tell before a decoder sees them: its format, and damage.
//
// Decoders fill in what is missing (libjpeg paints the rest of a truncated JPEG grey), and one that decodes a region
// does not look beyond it. Whether a sample is good must be a fact of its file alone, so the whole structure is walked.
#pragma once

#include <cstdint>
#include <string>

namespace lambda_fast {

// "" for the beginning and structure of a JPEG, PNG, BMP, TIFF, WebP, PNM or JPEG 2000 file; else what is wrong, as in
// "is truncated: …". JPEG and PNG are walked to their end marker; of the others the first bytes are looked at.
std::string encoded_image_fault(const uint8_t* bytes, int64_t count);

}  // namespace lambda_fast
