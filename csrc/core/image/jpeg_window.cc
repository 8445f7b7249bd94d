#include "core/image/jpeg_window.h"

#include <algorithm>

#include "core/image/jpeg_columns.h"
#include "core/image/jpeg_rows.h"
#include "core/image/jpeg_scan.h"

namespace lambda_fast {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 29;
// Below, there is nothing to gain: of a JPEG's rows above a window, in pixels; of MCUs beside it, in those of a row.
constexpr int32_t kLeastRows = 24;
constexpr int32_t kLeastColumns = 3;
// Kept places in a row, from which on columns are looked for: else, to walk there costs what is gained.
constexpr int32_t kLeastPlaces = 4;
// Chroma of half the resolution is smoothed over this many pixels beyond a window, by libjpeg only where an image is
// this wide.
constexpr int32_t kSmoothed = 2, kLeastSmoothedWidth = 5;
// libjpeg's greatest height and width.
constexpr int32_t kMostPixels = 65500;

void set_size(uint8_t* header, const JpegHeader& facts, int32_t height, int32_t width) {
  uint8_t* at = header + facts.height_at;
  at[0] = static_cast<uint8_t>(height >> 8);
  at[1] = static_cast<uint8_t>(height);
  at[2] = static_cast<uint8_t>(width >> 8);
  at[3] = static_cast<uint8_t>(width);
}

}  // namespace

CutJpeg cut_jpeg(uint8_t* bytes, int64_t count, const Window& window, PlaceIndex* index, int64_t file) {
  JpegHeader header;
  if (!read_jpeg_header(bytes, count, header)) return {};
  // libjpeg and its wrapper in DALI refuse larger ones: whether an image is good must not depend on its window.
  if (int64_t{header.height} * header.width * header.components >= kMostValues) return {};
  if (header.height > kMostPixels || header.width > kMostPixels) return {};
  const int64_t mcus = int64_t{header.mcus_down} * header.mcus_across;
  const int32_t top = std::min(window.y, header.height - 1) / header.mcu_height - (header.shares_rows ? 1 : 0);
  if (index != nullptr && index->stride(mcus) * kLeastPlaces <= header.mcus_across && window.x >= 0 && window.y >= 0) {
    const int32_t aside = header.shares_columns ? kSmoothed : 0, below = header.shares_rows ? kSmoothed : 0;
    const auto up = [](int64_t pixels, int32_t mcu, int32_t most) {
      return static_cast<int32_t>(std::min<int64_t>((pixels + mcu - 1) / mcu, most));
    };
    const int32_t last_left = header.width - (header.shares_columns ? kLeastSmoothedWidth : 1);
    const McuWindow part{std::max(0, top),
                         up(int64_t{window.y} + window.height + below, header.mcu_height, header.mcus_down),
                         std::max(0, std::min(window.x - aside, last_left)) / header.mcu_width,
                         up(int64_t{window.x} + window.width + aside, header.mcu_width, header.mcus_across)};
    if (part.right > part.left && part.bottom > part.top &&
        header.mcus_across - (part.right - part.left) >= kLeastColumns) {
      JpegWalker walker(bytes, count, header, index, file);
      const int64_t begin = cut_jpeg_columns(bytes, count, header, part, walker);
      if (begin > 0) {
        const int32_t y = part.top * header.mcu_height, x = part.left * header.mcu_width;
        set_size(bytes + begin, header, std::min(part.bottom * header.mcu_height, header.height) - y,
                 std::min(part.right * header.mcu_width, header.width) - x);
        return {begin, y, x};
      }
    }
  }
  if (window.y < kLeastRows || top < 2) return {};
  JpegWalker walker(bytes, count, header, index, file);
  const int64_t begin = cut_jpeg_rows(bytes, count, header, top, walker);
  if (begin == 0) return {};
  const int32_t rows = (top - 1) * header.mcu_height;
  set_size(bytes + begin, header, header.height - rows, header.width);
  return {begin, rows, 0};
}

}  // namespace lambda_fast
