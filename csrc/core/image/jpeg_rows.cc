#include "core/image/jpeg_rows.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/image/huffman.h"

namespace lambda_fast {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 29;
constexpr int kMostComponents = 3, kMostBlocks = 10;  // blocks of one MCU, by T.81

struct Component {
  int id = 0, across = 0, down = 0;  // blocks of it in an MCU
  HuffmanTable *dc = nullptr, *ac = nullptr;
};

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

// What the header of a file says that this is done to.
struct Header {
  int64_t height_at = 0, end = 0;  // bytes: of the height, of the first code
  int32_t height = 0, width = 0;
  int components = 0;
  Component component[kMostComponents];
  int32_t mcu_height = 0, mcus_across = 0;
  bool shares_rows = false;  // decoders smooth chroma over the rows of MCUs next to each other
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

bool read_frame(Segment segment, const uint8_t* bytes, Header& header) {
  const int precision = segment.byte();
  header.height_at = segment.at - bytes;
  header.height = segment.word();
  header.width = segment.word();
  header.components = segment.byte();
  if (precision != 8 || header.height == 0 || header.width == 0) return false;
  if (header.components != 1 && header.components != kMostComponents) return false;
  int most_across = 0, most_down = 0, least_down = 4, blocks = 0;
  for (int i = 0; i < header.components; ++i) {
    Component& each = header.component[i];
    each.id = segment.byte();
    const int sampling = segment.byte();
    segment.byte();  // which quantisation
    each.across = sampling >> 4;
    each.down = sampling & 15;
    if (each.across < 1 || each.across > 4 || each.down < 1 || each.down > 4) return false;
    most_across = std::max(most_across, each.across);
    most_down = std::max(most_down, each.down);
    least_down = std::min(least_down, each.down);
    blocks += each.across * each.down;
  }
  if (header.components == 1) {  // its blocks come one by one, whatever the sampling says
    header.component[0].across = header.component[0].down = 1;
    most_across = most_down = least_down = 1;
  } else if (blocks > kMostBlocks) {
    return false;
  }
  header.mcu_height = 8 * most_down;
  header.mcus_across = (header.width + 8 * most_across - 1) / (8 * most_across);
  header.shares_rows = least_down < most_down;
  return segment.enough;
}

bool read_scan(Segment segment, const HuffmanCodes (*codes)[4], Header& header) {
  thread_local Tables known;
  if (segment.byte() != header.components) return false;
  for (int i = 0; i < header.components; ++i) {
    Component& each = header.component[i];
    const int id = segment.byte(), tables = segment.byte();
    if (id != each.id || tables >> 4 > 3 || (tables & 15) > 3) return false;
    each.dc = known.table(codes[0][tables >> 4], false, tables >> 4);
    each.ac = known.table(codes[1][tables & 15], true, tables & 15);
    if (each.dc == nullptr || each.ac == nullptr) return false;
  }
  const int first = segment.byte(), last = segment.byte(), approximation = segment.byte();
  return segment.enough && first == 0 && last == 63 && approximation == 0;
}

bool read_header(const uint8_t* bytes, int64_t count, Header& header) {
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

// The bits of a scan; FF00 stands for the byte FF.
class Bits {
 public:
  // begin: of the scan; the first bit is that of the byte at `at` behind those that are gone.
  Bits(const uint8_t* begin, const uint8_t* at, int gone, const uint8_t* end) : begin_(begin), at_(at), end_(end) {
    if (gone != 0 && fill()) skip(gone);
  }

  // Makes sure of 56 bits: two runs, or a difference and a run. False where the scan ends before.
  bool fill() {
    if (end_ - at_ >= 8) {
      uint64_t raw;
      std::memcpy(&raw, at_, 8);
      constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x8080808080808080u;
      if (__builtin_expect(((~raw - kOnes) & raw & kHighs) == 0, true)) {  // no byte is FF
        bits_ |= swapped(raw) >> count_;
        at_ += (63 - count_) >> 3;
        count_ |= 56;
        return true;
      }
    }
    return fill_by_bytes();
  }

  uint32_t next32() const { return static_cast<uint32_t>(bits_ >> 32); }
  uint32_t peeked() const { return static_cast<uint32_t>(bits_ >> (64 - kPeekBits)); }

  void skip(int count) {
    bits_ <<= count;
    count_ -= count;
  }

  // The byte in which the next bit lies, and how many of its bits have gone.
  const uint8_t* position(int* gone) const {
    *gone = (8 - count_ % 8) % 8;
    const uint8_t* at = at_;
    for (int bytes = (count_ + 7) / 8; bytes > 0; --bytes) {
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

  bool fill_by_bytes() {
    // Bits below the counted ones may be there already; they are the same ones.
    while (count_ < 56 && at_ < end_) {
      const uint64_t byte = *at_;
      if (byte == 0xFF && (at_ + 1 == end_ || at_[1] != 0)) break;  // a marker
      at_ += byte == 0xFF ? 2 : 1;
      bits_ |= byte << (56 - count_);
      count_ += 8;
    }
    return count_ >= 56;
  }

  const uint8_t *begin_, *at_, *end_;
  uint64_t bits_ = 0;  // the next one is the highest
  int count_ = 0;
};

// Walks over one symbol from `place` on. Returns the next place, 64 at the end of the block, more where it makes no
// sense.
int walk_symbol(Bits& bits, const HuffmanTable& table, int place) {
  const HuffmanTable::Symbol next = table.symbol_of(bits.next32());
  const int size = next.symbol & 15, zeros = next.symbol >> 4;
  bits.skip(next.length + size);
  if (next.length == 0) return 65;
  return size == 0 && zeros != 15 ? 64 : place + zeros + 1;
}

// Walks over a block. `value` is that of its component, to which the block adds. False where the codes make no sense.
inline __attribute__((always_inline)) bool walk_block(Bits& bits, const HuffmanTable& dc, const HuffmanTable& ac,
                                                      int32_t* value) {
  if (!bits.fill()) return false;
  const HuffmanTable::Symbol first = dc.symbol_of(bits.next32());
  const int size = first.symbol;
  if (first.length == 0 || size > 11) return false;
  bits.skip(first.length);
  if (size != 0) {
    const auto found = static_cast<int32_t>(bits.next32() >> (32 - size));
    bits.skip(size);
    *value += found < 1 << (size - 1) ? found + 1 - (1 << size) : found;
    if (*value != static_cast<int16_t>(*value)) return false;  // no image's
  }
  int place = 1;
  // A run is taken if all that it holds belongs to the block: up to the last coefficient, or an end before it.
  const auto take = [&] {
    const AcRun run = ac.run[bits.peeked()];
    const int next = place + run_advance(run);
    if (__builtin_expect(run == 0 || (next > 64 && next < kEndOfRun) || next >= kEndOfRun + 64, false)) {
      if (!bits.fill()) return false;
      place = walk_symbol(bits, ac, place);
      return bits.fill();
    }
    bits.skip(run_bits(run));
    place = next;
    return true;
  };
  if (!take()) return false;
  while (place < 64) {
    if (!bits.fill() || !take()) return false;
    if (place < 64 && !take()) return false;
  }
  return place == 64 || place >= kEndOfRun;
}

bool walk_rows(Bits& bits, const Header& header, int32_t rows, int32_t* values) {
  for (int64_t mcu = int64_t{rows} * header.mcus_across; mcu > 0; --mcu) {
    for (int i = 0; i < header.components; ++i) {
      const Component& each = header.component[i];
      for (int block = each.across * each.down; block > 0; --block) {
        if (!walk_block(bits, *each.dc, *each.ac, &values[i])) return false;
      }
    }
  }
  return true;
}

// Finds where a row of MCUs begins. False where the codes before it make no sense.
bool find_row(const uint8_t* bytes, int64_t count, const Header& header, int32_t row, RowIndex* index, int64_t file,
              RowStart* start) {
  const int32_t stride = index != nullptr ? index->stride(header.height / header.mcu_height) : row;
  *start = {header.end};
  if (index != nullptr) index->find(file, row, stride, bytes, count, start);
  if (start->row == row) return true;
  Prefix prefix(bytes, count);
  for (int i = 0; i < header.components; ++i) header.component[i].ac->build_runs();
  Bits bits(bytes + header.end, bytes + start->byte, start->gone, bytes + count);
  while (start->row < row) {
    const int32_t next = std::min(row, (start->row / stride + 1) * stride);
    if (!walk_rows(bits, header, next - start->row, start->values)) return false;
    start->row = next;
    start->byte = bits.position(&start->gone) - bytes;
    if (start->byte >= count) return false;
    if (index != nullptr && next % stride == 0) index->keep(file, stride, *start, prefix);
  }
  return true;
}

// Bits as a scan has them.
class Writer {
 public:
  void put(uint32_t value, int count) {
    for (int i = count - 1; i >= 0; --i) put_bit(value >> i & 1);
  }
  void put(Code code) { put(code.code, code.length); }

  int64_t bits() const { return bits_; }

  // Fills the last byte, where it is begun, with the low bits of another one. Returns what was written.
  std::vector<uint8_t>& finish(uint8_t last) {
    put(last, static_cast<int>((8 - bits_ % 8) % 8));
    return bytes_;
  }

 private:
  void put_bit(uint32_t bit) {
    byte_ = static_cast<uint8_t>(byte_ << 1 | bit);
    if (++bits_ % 8 != 0) return;
    bytes_.push_back(byte_);
    if (byte_ == 0xFF) bytes_.push_back(0);
  }

  std::vector<uint8_t> bytes_;
  uint8_t byte_ = 0;
  int64_t bits_ = 0;
};

// The size class by which a block comes closest to `wanted`, of those that the table has codes for; and the difference.
int closest(const HuffmanTable& table, int32_t wanted, int32_t* difference) {
  int best = -1;
  for (int size = 0; size <= 11; ++size) {
    if (table.of_symbol[size].length == 0) continue;
    const int32_t least = size == 0 ? 0 : 1 << (size - 1), most = (1 << size) - 1;
    const int32_t value = std::clamp(std::abs(wanted), least, most) * (wanted < 0 ? -1 : 1);
    if (best >= 0 && std::abs(wanted - value) >= std::abs(wanted - *difference)) continue;
    best = size;
    *difference = value;
  }
  return best;
}

constexpr uint8_t kEndOfBlock = 0;

// By which single coefficients an otherwise empty block takes 1 to 7 bits more, counted modulo 8: symbol[r] is the
// last of the shortest row of them that takes r more, before[r] what the others take.
struct Padding {
  int symbol[8] = {}, before[8] = {};
  bool reached[8] = {true};

  explicit Padding(const HuffmanTable& table) {
    for (int round = 0; round < 7; ++round) {
      bool known[8];
      std::copy(reached, reached + 8, known);
      for (int from = 0; from < 8; ++from) {
        if (known[from]) extend(table, from);
      }
    }
  }

 private:
  void extend(const HuffmanTable& table, int from) {
    for (int zeros = 0; zeros < 15; ++zeros) {
      for (int size = 1; size <= 10; ++size) {
        const int length = table.of_symbol[zeros << 4 | size].length;
        const int to = (from + length + size) % 8;
        if (length == 0 || reached[to]) continue;
        reached[to] = true;
        symbol[to] = zeros << 4 | size;
        before[to] = from;
      }
    }
  }
};

// Writes a row of MCUs without coefficients, after which the components stand at `values` and `gone` bits of a byte are
// taken. The extra bits stand in the first component's blocks: once all others are counted, so at a second try.
bool write_empty_row(const Header& header, const int32_t* values, int gone, Writer& writer) {
  int missing = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Padding padding(*header.component[0].ac);
    if (!padding.reached[missing]) return false;
    Writer row;
    int32_t left[kMostComponents];
    std::copy(values, values + header.components, left);
    for (int32_t mcu = 0; mcu < header.mcus_across; ++mcu) {
      for (int i = 0; i < header.components; ++i) {
        const Component& each = header.component[i];
        for (int block = each.across * each.down; block > 0; --block) {
          int32_t difference = 0;
          const int size = closest(*each.dc, left[i], &difference);
          const Code end = each.ac->of_symbol[kEndOfBlock];
          if (size < 0 || end.length == 0) return false;
          left[i] -= difference;
          row.put(each.dc->of_symbol[size]);
          row.put(static_cast<uint32_t>(difference < 0 ? difference + (1 << size) - 1 : difference), size);
          if (i == 0 && missing != 0) {
            const int symbol = padding.symbol[missing];
            missing = padding.before[missing];
            row.put(each.ac->of_symbol[symbol]);
            row.put(1u << ((symbol & 15) - 1), symbol & 15);
          }
          row.put(end);
        }
      }
    }
    if (std::any_of(left, left + header.components, [](int32_t value) { return value != 0; }) || missing != 0) {
      return false;
    }
    missing = static_cast<int>(((gone - row.bits()) % 8 + 8) % 8);
    if (missing == 0) {
      writer = std::move(row);
      return true;
    }
  }
  return false;
}

}  // namespace

SkippedRows skip_jpeg_rows(uint8_t* bytes, int64_t count, int32_t y, RowIndex* index, int64_t file) {
  Header header;
  if (y < 24 || !read_header(bytes, count, header)) return {};  // below three rows there is nothing to gain
  // libjpeg's wrapper in DALI refuses larger ones: whether an image is good must not depend on its window.
  if (int64_t{header.height} * header.width * header.components >= kMostValues) return {};
  const int32_t cut = std::min(y, header.height - 1) / header.mcu_height - (header.shares_rows ? 1 : 0);
  if (cut < 2) return {};
  RowStart start;
  if (!find_row(bytes, count, header, cut, index, file, &start)) return {};
  uint8_t* rest = bytes + start.byte;
  Writer writer;
  if (!write_empty_row(header, start.values, start.gone, writer)) return {};
  const std::vector<uint8_t>& row = writer.finish(*rest);
  if (start.gone != 0) rest += *rest == 0xFF ? 2 : 1;  // that byte is the row's last one now
  if (rest > bytes + count) return {};
  const int64_t begin = (rest - bytes) - static_cast<int64_t>(row.size()) - header.end;
  if (begin < 0) return {};
  std::copy(row.begin(), row.end(), rest - row.size());
  std::memmove(bytes + begin, bytes, static_cast<size_t>(header.end));
  const int32_t rows = (cut - 1) * header.mcu_height, height = header.height - rows;
  bytes[begin + header.height_at] = static_cast<uint8_t>(height >> 8);
  bytes[begin + header.height_at + 1] = static_cast<uint8_t>(height);
  return {begin, rows};
}

}  // namespace lambda_fast
