#include "core/image/jpeg_rows.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace lambda_fast {
namespace {

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
bool write_empty_row(const JpegHeader& header, const int32_t* values, int gone, Writer& writer) {
  int missing = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Padding padding(*header.component[0].ac);
    if (!padding.reached[missing]) return false;
    Writer row;
    int32_t left[3];
    std::copy(values, values + header.components, left);
    for (int32_t mcu = 0; mcu < header.mcus_across; ++mcu) {
      for (int i = 0; i < header.components; ++i) {
        const JpegComponent& each = header.component[i];
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

int64_t cut_jpeg_rows(uint8_t* bytes, int64_t count, const JpegHeader& header, int32_t rows, JpegWalker& walker) {
  if (!walker.go_to(int64_t{rows} * header.mcus_across)) return 0;
  const JpegPlace start = walker.place();
  uint8_t* rest = bytes + start.byte;
  Writer writer;
  if (!write_empty_row(header, start.values, start.gone, writer)) return 0;
  const std::vector<uint8_t>& row = writer.finish(*rest);
  if (start.gone != 0) rest += *rest == 0xFF ? 2 : 1;  // that byte is the row's last one now
  if (rest > bytes + count) return 0;
  const int64_t begin = (rest - bytes) - static_cast<int64_t>(row.size()) - header.end;
  if (begin <= 0) return 0;
  std::copy(row.begin(), row.end(), rest - row.size());
  std::memmove(bytes + begin, bytes, static_cast<size_t>(header.end));
  return begin;
}

}  // namespace lambda_fast
