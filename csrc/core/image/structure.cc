// Walks JPEG by its markers (ITU-T T.81, annex B) and PNG by its chunks (ISO/IEC 15948, clause 5).
#include "core/image/structure.h"

#include <cstdio>
#include <cstring>

namespace lambda_fast {
namespace {

struct Bytes {
  const uint8_t* data;
  int64_t count;

  bool starts_with(const char* prefix, int64_t length) const {
    return count >= length && std::memcmp(data, prefix, static_cast<size_t>(length)) == 0;
  }
  uint32_t big_endian(int64_t at, int width) const {
    uint32_t value = 0;
    for (int i = 0; i < width; ++i) value = value << 8 | data[at + i];
    return value;
  }
};

std::string truncated(const Bytes& file, const char* missing) {
  return "is truncated: its " + std::to_string(file.count) + " bytes end before the " + missing;
}

constexpr uint8_t kStartOfScan = 0xDA, kEndOfImage = 0xD9, kRestartFirst = 0xD0, kRestartLast = 0xD7, kExif = 0xE1;

bool is_frame_header(uint8_t marker) {
  // C4, C8 and CC among them are tables and a reserved code.
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Within a scan, an FF is data (FF00), a restart, or the marker that ends it. Returns where that one begins, or -1.
int64_t scan_end(const Bytes& file, int64_t at) {
  while (at < file.count) {
    const void* found = std::memchr(file.data + at, 0xFF, static_cast<size_t>(file.count - at));
    if (found == nullptr) return -1;
    at = static_cast<const uint8_t*>(found) - file.data;
    if (at + 1 >= file.count) return -1;
    const uint8_t next = file.data[at + 1];
    if (next != 0x00 && next != 0xFF && !(next >= kRestartFirst && next <= kRestartLast)) return at;
    at += next == 0xFF ? 1 : 2;
  }
  return -1;
}

std::string jpeg_fault(const Bytes& file, EncodedImage* image) {
  constexpr const char* kEnd = "end-of-image marker";
  bool frame = false, scan = false, exif = false;
  int64_t at = 2;
  while (true) {
    while (at + 1 < file.count && file.data[at] == 0xFF && file.data[at + 1] == 0xFF) ++at;  // fill bytes
    if (at + 1 >= file.count) return truncated(file, kEnd);
    const uint8_t marker = file.data[at + 1];
    if (marker == kEndOfImage && scan) {
      if (exif) image->height = image->width = 0;
      return "";
    }
    const bool known = file.data[at] == 0xFF && marker >= 0xC0 && marker < 0xFF &&
                       !(marker >= kRestartFirst && marker <= kEndOfImage) && !(frame && is_frame_header(marker));
    if (!known) {
      char found[80];
      std::snprintf(found, sizeof found, "is damaged: expected a marker at byte %lld, found %02X%02X",
                    static_cast<long long>(at), file.data[at], marker);
      return found;
    }
    if (at + 3 >= file.count) return truncated(file, kEnd);
    const int64_t length = file.big_endian(at + 2, 2);
    if (length < 2) return "is damaged: a segment of " + std::to_string(length) + " bytes";
    if (at + 2 + length > file.count) return truncated(file, kEnd);
    exif = exif || marker == kExif;
    if (is_frame_header(marker)) {
      if (length < 8) return "is damaged: a frame header of " + std::to_string(length) + " bytes";
      frame = true;
      image->height = static_cast<int32_t>(file.big_endian(at + 5, 2));
      image->width = static_cast<int32_t>(file.big_endian(at + 7, 2));
    }
    at += 2 + length;
    if (marker == kStartOfScan) {
      if (!frame) return "is damaged: image data without a frame header";
      scan = true;
      at = scan_end(file, at);
      if (at < 0) return truncated(file, kEnd);
    }
  }
}

std::string png_fault(const Bytes& file, EncodedImage* image) {
  constexpr const char* kEnd = "end chunk";
  bool exif = false;
  int64_t at = 8;
  while (true) {
    if (at + 12 > file.count) return truncated(file, kEnd);
    const int64_t length = file.big_endian(at, 4);
    if (at + 12 + length > file.count) return truncated(file, kEnd);
    const auto is = [&](const char* name) { return std::memcmp(file.data + at + 4, name, 4) == 0; };
    if (is("IHDR") && length >= 8 && file.big_endian(at + 8, 4) < 1u << 31 && file.big_endian(at + 12, 4) < 1u << 31) {
      image->width = static_cast<int32_t>(file.big_endian(at + 8, 4));
      image->height = static_cast<int32_t>(file.big_endian(at + 12, 4));
    }
    exif = exif || is("eXIf");
    if (is("IEND")) {
      if (exif) image->height = image->width = 0;
      return "";
    }
    at += 12 + length;
  }
}

bool starts_as_another_format(const Bytes& file) {
  const bool webp = file.starts_with("RIFF", 4) && file.count >= 12 && std::memcmp(file.data + 8, "WEBP", 4) == 0;
  const bool pnm = file.count >= 3 && file.data[0] == 'P' && file.data[1] >= '1' && file.data[1] <= '6';
  return webp || pnm || file.starts_with("BM", 2) || file.starts_with("II*\0", 4) || file.starts_with("MM\0*", 4) ||
         file.starts_with("\0\0\0\x0CjP  \r\n\x87\n", 12) || file.starts_with("\xFF\x4F\xFF\x51", 4);
}

std::string first_bytes(const Bytes& file) {
  std::string text;
  for (int64_t i = 0; i < file.count && i < 12; ++i) {
    const bool plain = file.data[i] >= 0x20 && file.data[i] < 0x7F;
    text += plain ? static_cast<char>(file.data[i]) : '.';
  }
  return text;
}

}  // namespace

EncodedImage inspect_encoded_image(const uint8_t* bytes, int64_t count) {
  const Bytes file{bytes, count};
  EncodedImage image;
  if (count == 0) {
    image.fault = "is empty";
  } else if (file.starts_with("\xFF\xD8\xFF", 3)) {
    image.fault = jpeg_fault(file, &image);
  } else if (file.starts_with("\x89PNG\r\n\x1A\n", 8)) {
    image.fault = png_fault(file, &image);
  } else if (file.starts_with("GIF8", 4)) {
    image.fault = "is a GIF, which DALI does not decode: convert it to PNG";
  } else if (!starts_as_another_format(file)) {
    image.fault =
        "is no JPEG, PNG, BMP, TIFF, WebP, PNM or JPEG 2000 image: it begins with '" + first_bytes(file) + "'";
  }
  return image;
}

}  // namespace lambda_fast
