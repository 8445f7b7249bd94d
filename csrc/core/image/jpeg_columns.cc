#include "core/image/jpeg_columns.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace lambda_fast {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x8080808080808080u;

uint64_t big_endian(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

bool has_ff(uint64_t word) { return ((~word - kOnes) & word & kHighs) != 0; }

// A scan's bits, written to memory that is large enough or else says so.
class ScanWriter {
 public:
  ScanWriter(uint8_t* begin, uint8_t* end) : begin_(begin), at_(begin), end_(end) {}

  // The `count` lowest bits, at most 32 of them.
  void put(uint32_t value, int count) {
    if (count != 0) put_high(uint64_t{value} << (64 - count), count);
  }

  // The `count` highest bits, 1 to 64 of them; the others are 0.
  void put_high(uint64_t bits, int count) {
    bits_ |= bits >> count_;
    const int free = 64 - count_;
    if (count < free) {
      count_ += count;
      return;
    }
    put_word(bits_);
    bits_ = free < 64 ? bits << free : 0;
    count_ -= 64 - count;
  }

  // From one place of a scan to another.
  void copy(const uint8_t* from, int gone, const uint8_t* to, int to_gone) {
    if (from == to) {
      put(static_cast<uint32_t>(*from >> (8 - to_gone)) & ((1u << (to_gone - gone)) - 1), to_gone - gone);
      return;
    }
    if (gone != 0) {
      put(*from & ((1u << (8 - gone)) - 1), 8 - gone);
      from += *from == 0xFF ? 2 : 1;
    }
    while (from < to) {
      if (to - from >= 8) {
        const uint64_t word = big_endian(from);
        if (!has_ff(word)) {
          put_high(word, 64);
          from += 8;
          continue;
        }
      }
      put(*from, 8);
      from += *from == 0xFF ? 2 : 1;
    }
    if (to_gone != 0) put(static_cast<uint32_t>(*to >> (8 - to_gone)), to_gone);
  }

  // The last bits, filled up with ones, and the end of the image. Its bytes, or 0 where there was no room.
  int64_t finish() {
    const int last = (8 - count_ % 8) % 8;
    put((1u << last) - 1, last);
    for (; count_ > 0; count_ -= 8, bits_ <<= 8) put_byte(static_cast<uint8_t>(bits_ >> 56));
    if (end_ - at_ < 2) return 0;
    *at_++ = 0xFF;
    *at_++ = 0xD9;
    return full_ ? 0 : at_ - begin_;
  }

 private:
  void put_word(uint64_t word) {
    if (end_ - at_ >= 8 && !has_ff(word)) {
      const uint64_t bytes = big_endian(reinterpret_cast<const uint8_t*>(&word));
      std::memcpy(at_, &bytes, sizeof bytes);
      at_ += 8;
      return;
    }
    for (int shift = 56; shift >= 0; shift -= 8) put_byte(static_cast<uint8_t>(word >> shift));
  }

  void put_byte(uint8_t byte) {
    full_ = full_ || end_ - at_ < 2;
    if (full_) return;
    *at_++ = byte;
    if (byte == 0xFF) *at_++ = 0;
  }

  uint8_t *begin_, *at_, *end_;
  uint64_t bits_ = 0;  // the first one is the highest
  int count_ = 0;      // of them, fewer than 64
  bool full_ = false;
};

// Of a difference, by T.81.
int size_of(int32_t difference) {
  const auto distance = static_cast<uint32_t>(std::abs(difference));
  return distance == 0 ? 0 : 32 - __builtin_clz(distance);
}

bool put_difference(ScanWriter& writer, const HuffmanTable& dc, int32_t difference) {
  const int size = size_of(difference);
  if (size > 11 || dc.of_symbol[size].length == 0) return false;
  writer.put(dc.of_symbol[size].code, dc.of_symbol[size].length);
  writer.put(static_cast<uint32_t>(difference < 0 ? difference + (1 << size) - 1 : difference), size);
  return true;
}

// Writes the part of a row that begins at `place` up to `end`; its first differences count from `before`.
bool write_part(ScanWriter& writer, const uint8_t* bytes, const JpegHeader& header, const JpegWalker& walker,
                const JpegPlace& place, const JpegPlace& end, const int32_t* before) {
  JpegBits bits = walker.bits(place);
  for (int i = 0; i < header.components; ++i) {
    const JpegComponent& each = header.component[i];
    int32_t difference, value = 0;
    if (!read_jpeg_difference(bits, *each.dc, &difference) || bits.ended()) return false;
    if (!put_difference(writer, *each.dc, place.values[i] + difference - before[i])) return false;
    int gone, last_gone = end.gone;
    const uint8_t* from = bits.position(&gone);
    const uint8_t* to = bytes + end.byte;
    if (i + 1 < header.components) {
      if (!walk_jpeg_coefficients(bits, *each.ac)) return false;
      if (!walk_jpeg_blocks(bits, each, each.across * each.down - 1, &value) || bits.ended()) return false;
      to = bits.position(&last_gone);
    }
    if (from > to || (from == to && gone > last_gone)) return false;
    writer.copy(from, gone, to, last_gone);
  }
  return true;
}

}  // namespace

int64_t cut_jpeg_columns(uint8_t* bytes, int64_t count, const JpegHeader& header, const McuWindow& window,
                         JpegWalker& walker) {
  thread_local std::vector<uint8_t> memory;
  if (memory.size() < static_cast<size_t>(count)) memory.resize(static_cast<size_t>(count));
  ScanWriter writer(memory.data(), memory.data() + count - header.end);
  int32_t before[3] = {};
  for (int32_t row = window.top; row < window.bottom; ++row) {
    const int64_t first = int64_t{row} * header.mcus_across;
    if (!walker.go_to(first + window.left)) return 0;
    const JpegPlace begin = walker.place();
    if (!walker.go_to(first + window.right)) return 0;
    const JpegPlace end = walker.place();
    if (!write_part(writer, bytes, header, walker, begin, end, before)) return 0;
    std::copy(end.values, end.values + 3, before);
  }
  const int64_t size = writer.finish(), begin = count - header.end - size;
  if (size == 0 || begin <= 0) return 0;
  std::memmove(bytes + begin, bytes, static_cast<size_t>(header.end));
  std::copy_n(memory.data(), size, bytes + begin + header.end);
  return begin;
}

}  // namespace lambda_fast
