// A JPEG's header and the codes of its scan, for whoever walks over them: where they lie counts, not what they show.
//
// ITU-T T.81. Only baseline JPEGs of one scan are read, without restart markers and EXIF.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/image/huffman.h"
#include "core/image/place_index.h"

namespace lambda_fast {

struct JpegComponent {
  int id = 0, across = 0, down = 0;  // blocks of it in an MCU
  HuffmanTable *dc = nullptr, *ac = nullptr;
};

// What the header of a file says that this is done to.
struct JpegHeader {
  int64_t height_at = 0, end = 0;  // bytes: of the height, of the first code
  int32_t height = 0, width = 0;
  int components = 0;
  JpegComponent component[3];
  int32_t mcu_height = 0, mcu_width = 0, mcus_down = 0, mcus_across = 0;
  bool shares_rows = false, shares_columns = false;  // decoders smooth chroma over MCUs next to each other
};

// False for all files but those above.
bool read_jpeg_header(const uint8_t* bytes, int64_t count, JpegHeader& header);

// The bits of a scan; FF00 stands for the byte FF.
class JpegBits {
 public:
  // begin: of the scan; the first bit is that of the byte at `at` behind those that are gone.
  JpegBits(const uint8_t* begin, const uint8_t* at, int gone, const uint8_t* end) : begin_(begin), at_(at), end_(end) {
    if (gone == 0) return;
    fill();
    skip(gone);
  }

  // Makes sure of 56 bits: two runs, or a difference and a run. Where the scan ends, zeros follow.
  void fill() {
    if (end_ - at_ >= 8) {
      uint64_t raw;
      std::memcpy(&raw, at_, 8);
      constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x8080808080808080u;
      if (__builtin_expect(((~raw - kOnes) & raw & kHighs) == 0, true)) {  // no byte is FF
        bits_ |= swapped(raw) >> count_;
        at_ += (63 - count_) >> 3;
        count_ |= 56;
        return;
      }
    }
    fill_by_bytes();
  }

  uint32_t next32() const { return static_cast<uint32_t>(bits_ >> 32); }
  uint32_t peeked() const { return static_cast<uint32_t>(bits_ >> (64 - kPeekBits)); }

  void skip(int count) {
    bits_ <<= count;
    count_ -= count;
  }

  // Whether more bits were taken than there are.
  bool ended() const { return count_ < zeros_; }

  // The byte in which the next bit lies, and how many of its bits have gone. Not once it has ended.
  const uint8_t* position(int* gone) const {
    *gone = (8 - count_ % 8) % 8;
    const uint8_t* at = at_;
    for (int bytes = (count_ - zeros_ + 7) / 8; bytes > 0; --bytes) {
      --at;
      if (*at == 0 && at > begin_ && at[-1] == 0xFF) --at;
    }
    return at;
  }

 private:
  static uint64_t swapped(uint64_t raw) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __builtin_bswap64(raw);
#else
    return raw;
#endif
  }

  void fill_by_bytes() {
    // Bits below the counted ones may be there already; they are the same ones.
    for (; count_ < 56; count_ += 8) {
      uint64_t byte = 0;
      if (at_ < end_ && (*at_ != 0xFF || (at_ + 1 < end_ && at_[1] == 0))) {
        byte = *at_;
        at_ += byte == 0xFF ? 2 : 1;
      } else {
        zeros_ += 8;
      }
      bits_ |= byte << (56 - count_);
    }
  }

  const uint8_t *begin_, *at_, *end_;
  uint64_t bits_ = 0;  // the next one is the highest
  int count_ = 0;      // there, and the last of these
  int zeros_ = 0;      // not the scan's
};

// Reads the difference of a block's first value. False where the codes make no sense.
bool read_jpeg_difference(JpegBits& bits, const HuffmanTable& dc, int32_t* difference);

// Walks over the rest of a block, behind that difference.
bool walk_jpeg_coefficients(JpegBits& bits, const HuffmanTable& ac);

// Walks over whole blocks of a component, whose value is that of the last one's first coefficient.
bool walk_jpeg_blocks(JpegBits& bits, const JpegComponent& component, int64_t count, int32_t* value);

// Goes over a scan from place to place, by the index where it can.
class JpegWalker {
 public:
  // index: null where nothing is kept.
  JpegWalker(const uint8_t* bytes, int64_t count, const JpegHeader& header, PlaceIndex* index, int64_t file);

  // Forward to where an MCU begins. False where the codes before it make no sense or end.
  bool go_to(int64_t mcu);

  const JpegPlace& place() const { return place_; }

  // Of the scan from a place on.
  JpegBits bits(const JpegPlace& place) const {
    return JpegBits(bytes_ + header_.end, bytes_ + place.byte, place.gone, bytes_ + count_);
  }

 private:
  const uint8_t* const bytes_;
  const int64_t count_;
  const JpegHeader& header_;
  PlaceIndex* const index_;
  const int64_t file_, stride_;
  Prefix prefix_;
  JpegPlace place_;
};

}  // namespace lambda_fast
