#include "core/image/jpeg_scan.h"

#include <algorithm>

namespace lambda_fast {
namespace {

constexpr int kMostComponents = 3, kMostBlocks = 10;  // blocks of one MCU, by T.81

// The tables of a file, DC and AC: a thread's, kept because many files have the standard's codes.
struct Tables {
  struct Kept {
    HuffmanTable table;
    bool sound = false;
  };
  Kept kept[2][4];

  // Null where the codes do not fit into their lengths.
  HuffmanTable* table(const HuffmanCodes& codes, bool ac, int destination) {
    Kept& found = kept[ac][destination];
    if (!found.sound || !(found.table.codes == codes)) found.sound = found.table.build(codes);
    return found.sound ? &found.table : nullptr;
  }
};

// A segment's bytes, and whether they were enough.
struct Segment {
  const uint8_t *at, *end;
  bool enough = true;

  int byte() {
    enough = enough && at < end;
    return enough ? *at++ : 0;
  }
  int word() {
    const int high = byte();
    return high << 8 | byte();
  }
};

bool read_codes(Segment segment, HuffmanCodes (*codes)[4]) {
  while (segment.at < segment.end) {
    const int destination = segment.byte();
    if (destination >> 4 > 1 || (destination & 15) > 3) return false;
    HuffmanCodes& found = codes[destination >> 4][destination & 15];
    found = {};
    int total = 0;
    for (uint8_t& count : found.counts) total += count = static_cast<uint8_t>(segment.byte());
    if (total > 256) return false;
    for (int i = 0; i < total; ++i) found.symbols[i] = static_cast<uint8_t>(segment.byte());
  }
  return segment.enough;
}

bool read_frame(Segment segment, const uint8_t* bytes, JpegHeader& header) {
  const int precision = segment.byte();
  header.height_at = segment.at - bytes;
  header.height = segment.word();
  header.width = segment.word();
  header.components = segment.byte();
  if (precision != 8 || header.height == 0 || header.width == 0) return false;
  if (header.components != 1 && header.components != kMostComponents) return false;
  int most_across = 0, most_down = 0, least_across = 4, least_down = 4, blocks = 0;
  for (int i = 0; i < header.components; ++i) {
    JpegComponent& each = header.component[i];
    each.id = segment.byte();
    const int sampling = segment.byte();
    segment.byte();  // which quantisation
    each.across = sampling >> 4;
    each.down = sampling & 15;
    if (each.across < 1 || each.across > 4 || each.down < 1 || each.down > 4) return false;
    most_across = std::max(most_across, each.across);
    most_down = std::max(most_down, each.down);
    least_across = std::min(least_across, each.across);
    least_down = std::min(least_down, each.down);
    blocks += each.across * each.down;
  }
  if (header.components == 1) {  // its blocks come one by one, whatever the sampling says
    header.component[0].across = header.component[0].down = 1;
    most_across = most_down = least_across = least_down = 1;
  } else if (blocks > kMostBlocks) {
    return false;
  }
  header.mcu_height = 8 * most_down;
  header.mcu_width = 8 * most_across;
  header.mcus_down = (header.height + header.mcu_height - 1) / header.mcu_height;
  header.mcus_across = (header.width + header.mcu_width - 1) / header.mcu_width;
  header.shares_rows = least_down < most_down;
  header.shares_columns = least_across < most_across;
  return segment.enough;
}

bool read_scan(Segment segment, const HuffmanCodes (*codes)[4], JpegHeader& header) {
  thread_local Tables known;
  if (segment.byte() != header.components) return false;
  for (int i = 0; i < header.components; ++i) {
    JpegComponent& each = header.component[i];
    const int id = segment.byte(), tables = segment.byte();
    if (id != each.id || tables >> 4 > 3 || (tables & 15) > 3) return false;
    each.dc = known.table(codes[0][tables >> 4], false, tables >> 4);
    each.ac = known.table(codes[1][tables & 15], true, tables & 15);
    if (each.dc == nullptr || each.ac == nullptr) return false;
  }
  const int first = segment.byte(), last = segment.byte(), approximation = segment.byte();
  return segment.enough && first == 0 && last == 63 && approximation == 0;
}

}  // namespace

bool read_jpeg_header(const uint8_t* bytes, int64_t count, JpegHeader& header) {
  if (count < 4 || bytes[0] != 0xFF || bytes[1] != 0xD8) return false;
  HuffmanCodes codes[2][4];
  int64_t at = 2;
  while (at + 4 <= count && bytes[at] == 0xFF) {
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    const int64_t end = at + 2 + (bytes[at + 2] << 8 | bytes[at + 3]);
    if (end > count || end < at + 4) return false;
    const Segment segment{bytes + at + 4, bytes + end};
    switch (marker) {
      case 0xC0:  // baseline, and the same with more tables
      case 0xC1:
        if (header.components != 0 || !read_frame(segment, bytes, header)) return false;
        break;
      case 0xC4:
        if (!read_codes(segment, codes)) return false;
        break;
      case 0xDD: {  // an interval of 0 is none
        Segment interval = segment;
        if (interval.word() != 0) return false;
        break;
      }
      case 0xDA:
        header.end = end;
        return header.components != 0 && read_scan(segment, codes, header);
      default:
        // Tables of quantisation, comments and applications' parts pass, but for EXIF, other frames and arithmetic.
        if (marker != 0xDB && marker != 0xFE && (marker < 0xE0 || marker > 0xEF || marker == 0xE1)) return false;
    }
    at = end;
  }
  return false;
}

namespace {

// Walks over one symbol from `place` on. Returns the next place, 64 at the end of the block, more where it makes no
// sense.
int walk_symbol(JpegBits& bits, const HuffmanTable& table, int place) {
  const HuffmanTable::Symbol next = table.symbol_of(bits.next32());
  const int size = next.symbol & 15, zeros = next.symbol >> 4;
  bits.skip(next.length + size);
  if (next.length == 0) return 65;
  return size == 0 && zeros != 15 ? 64 : place + zeros + 1;
}

inline __attribute__((always_inline)) bool read_difference(JpegBits& bits, const HuffmanTable& dc,
                                                           int32_t* difference) {
  bits.fill();
  const HuffmanTable::Symbol first = dc.symbol_of(bits.next32());
  const int size = first.symbol;
  if (first.length == 0 || size > 11) return false;
  bits.skip(first.length);
  *difference = 0;
  if (size != 0) {
    const auto found = static_cast<int32_t>(bits.next32() >> (32 - size));
    bits.skip(size);
    *difference = found < 1 << (size - 1) ? found + 1 - (1 << size) : found;
  }
  return true;
}

inline __attribute__((always_inline)) bool walk_coefficients(JpegBits& bits, const HuffmanTable& ac) {
  int place = 1;
  // A run is taken if all that it holds belongs to the block: up to the last coefficient, or an end before it.
  const auto take = [&] {
    const AcRun run = ac.run[bits.peeked()];
    const int next = place + run_advance(run);
    if (__builtin_expect(run == 0 || (next > 64 && next < kEndOfRun) || next >= kEndOfRun + 64, false)) {
      bits.fill();
      place = walk_symbol(bits, ac, place);
      bits.fill();
      return;
    }
    bits.skip(run_bits(run));
    place = next;
  };
  take();
  while (place < 64) {
    bits.fill();
    take();
    if (place < 64) take();
  }
  return place == 64 || place >= kEndOfRun;
}

// `value` is that of the component, to which the block adds.
inline __attribute__((always_inline)) bool walk_block(JpegBits& bits, const HuffmanTable& dc, const HuffmanTable& ac,
                                                      int32_t* value) {
  int32_t difference;
  if (!read_difference(bits, dc, &difference)) return false;
  *value += difference;
  if (*value != static_cast<int16_t>(*value)) return false;  // no image's
  return walk_coefficients(bits, ac);
}

bool walk_mcus(JpegBits& bits, const JpegHeader& header, int64_t count, int32_t* values) {
  for (; count > 0; --count) {
    for (int i = 0; i < header.components; ++i) {
      const JpegComponent& each = header.component[i];
      for (int block = each.across * each.down; block > 0; --block) {
        if (!walk_block(bits, *each.dc, *each.ac, &values[i])) return false;
      }
    }
    if (bits.ended()) return false;
  }
  return true;
}

}  // namespace

bool read_jpeg_difference(JpegBits& bits, const HuffmanTable& dc, int32_t* difference) {
  return read_difference(bits, dc, difference);
}

bool walk_jpeg_coefficients(JpegBits& bits, const HuffmanTable& ac) { return walk_coefficients(bits, ac); }

bool walk_jpeg_blocks(JpegBits& bits, const JpegComponent& component, int64_t count, int32_t* value) {
  for (; count > 0; --count) {
    if (!walk_block(bits, *component.dc, *component.ac, value)) return false;
  }
  return true;
}

JpegWalker::JpegWalker(const uint8_t* bytes, int64_t count, const JpegHeader& header, PlaceIndex* index, int64_t file)
    : bytes_(bytes),
      count_(count),
      header_(header),
      index_(index),
      file_(file),
      stride_(index ? index->stride(int64_t{header.mcus_across} * header.mcus_down) : 0),
      prefix_(bytes, count) {
  place_.byte = header.end;
  for (int i = 0; i < header.components; ++i) header.component[i].ac->build_runs();
}

bool JpegWalker::go_to(int64_t mcu) {
  if (index_ != nullptr) index_->find(file_, stride_, mcu, prefix_, &place_);
  if (place_.mcu == mcu) return true;
  JpegBits bits = this->bits(place_);
  while (place_.mcu < mcu) {
    const int64_t next = index_ ? std::min(mcu, (place_.mcu / stride_ + 1) * stride_) : mcu;
    if (!walk_mcus(bits, header_, next - place_.mcu, place_.values)) return false;
    place_.mcu = next;
    place_.byte = bits.position(&place_.gone) - bytes_;
    if (place_.byte < header_.end || place_.byte >= count_) return false;
    if (index_ != nullptr && next % stride_ == 0) index_->keep(file_, stride_, place_, prefix_);
  }
  return true;
}

}  // namespace lambda_fast
