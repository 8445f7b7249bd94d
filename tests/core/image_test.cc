// Tests of csrc/core/image alone, in buffers that are exactly as long as they must be, for sanitizers.
//
// The exit code is the number of failures (at most 1).
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/base/isa.h"
#include "core/base/philox.h"
#include "core/base/thread_pool.h"
#include "core/image/jpeg_window.h"
#include "core/image/resize.h"
#include "core/image/structure.h"
#include "small_jpegs.h"

namespace lambda_fast {
namespace {

int failures = 0, checks = 0;

void check(bool ok, const std::string& what) {
  ++checks;
  if (ok) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

std::unique_ptr<uint8_t[]> noise(int64_t count, uint32_t key) {
  std::unique_ptr<uint8_t[]> bytes(new uint8_t[static_cast<size_t>(count)]);
  for (int64_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<uint8_t>(philox({{static_cast<uint32_t>(i), 0, 0, 0}}, key, 1).word[0]);
  }
  return bytes;
}

// From every size to every size: no access outside, the same bytes from one thread and from several.
void test_resize() {
  ThreadPool pool(3);
  constexpr int64_t kImages = 5;
  for (const int32_t channels : {1, 3}) {
    for (const int32_t source : {1, 2, 5, 31, 64, 131}) {
      for (const int32_t target : {1, 2, 5, 6, 16, 33, 224}) {
        const ImageShape image{source, source + 3, channels}, output{target, target + 1, channels};
        std::vector<std::unique_ptr<uint8_t[]>> pixels;
        std::vector<ImageView> views;
        std::vector<Window> windows;
        for (int32_t i = 0; i < kImages; ++i) {
          pixels.push_back(noise(image.elements(), static_cast<uint32_t>(i)));
          views.push_back({pixels.back().get(), image});
          const int32_t inset = i % 2 == 0 ? 0 : (source - 1) / 2;
          windows.push_back({inset, inset, source - inset, source + 3 - inset});
          check_window(windows.back(), image);
        }
        const int64_t size = kImages * output.elements();
        std::unique_ptr<uint8_t[]> one(new uint8_t[static_cast<size_t>(size)]);
        std::unique_ptr<uint8_t[]> many(new uint8_t[static_cast<size_t>(size)]);
        resize_cpu(one.get(), output, views.data(), windows.data(), kImages, source % 2 == 0, {});
        resize_cpu(many.get(), output, views.data(), windows.data(), kImages, source % 2 == 0, {&pool, nullptr});
        check(std::memcmp(one.get(), many.get(), static_cast<size_t>(size)) == 0,
              "threads change no byte from " + std::to_string(source) + " to " + std::to_string(target));
      }
    }
  }
}

void test_filter() {
  AxisFilter filter;
  for (const int32_t source : {1, 2, 3, 100, 224, 65500}) {
    for (const int32_t target : {1, 2, 3, 223, 224}) {
      triangle_filter(source, target, source % 2 == 0, filter);
      bool sound = filter.taps % 2 == 0;
      for (int32_t i = 0; i < target; ++i) {
        int32_t sum = 0;
        for (int32_t t = 0; t < filter.taps; ++t) sum += filter.weights[int64_t{i} * filter.taps + t];
        sound = sound && sum == 1 << kWeightBits && filter.first[i] >= 0 && filter.count[i] >= 1 &&
                filter.count[i] <= filter.taps && filter.first[i] + filter.count[i] <= source;
      }
      check(sound, "weights from " + std::to_string(source) + " to " + std::to_string(target));
    }
  }
}

// Beginnings of real formats with noise behind them, at every length.
void test_structure() {
  const std::vector<std::string> beginnings = {
      "", std::string("\xFF\xD8\xFF\xE0\x00\x04zz\xFF\xC0\x00\x02\xFF\xDA\x00\x02", 16),
      std::string("\x89PNG\r\n\x1A\n\x00\x00\x00\x01IHDR", 16), std::string("RIFF....WEBP"), std::string("P6")};
  for (const std::string& beginning : beginnings) {
    for (uint32_t key = 0; key < 40; ++key) {
      for (int64_t length = 0; length < 80; ++length) {
        auto file = noise(length, key);
        for (int64_t i = 0; i < length && i < static_cast<int64_t>(beginning.size()); ++i) file[i] = beginning[i];
        const std::string fault = inspect_encoded_image(file.get(), length).fault;
        check(length > 0 || fault == "is empty", "no bytes are no image");
      }
    }
  }
}

std::vector<uint8_t> from_hexadecimal(const char* text) {
  std::vector<uint8_t> bytes;
  for (; text[0] != 0; text += 2) {
    const auto digit = [](char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
    bytes.push_back(static_cast<uint8_t>(digit(text[0]) << 4 | digit(text[1])));
  }
  return bytes;
}

bool operator==(const CutJpeg& a, const CutJpeg& b) {
  return a.begin == b.begin && a.rows == b.rows && a.columns == b.columns;
}

// Sound files lose what is beside a window; files with damage anywhere, or cut short, lead nowhere outside of their
// bytes, with an index that sound and damaged ones have filled.
void test_cut_jpegs(const char* text, int32_t height, int32_t width, bool has_columns) {
  const std::vector<uint8_t> whole = from_hexadecimal(text);
  PlaceIndex index(2, 1 << 14);
  const auto cut = [&](std::vector<uint8_t> file, const Window& window, PlaceIndex* known) {
    file.shrink_to_fit();
    const CutJpeg found = cut_jpeg(file.data(), static_cast<int64_t>(file.size()), window, known, 1);
    check(found.begin >= 0 && found.begin <= static_cast<int64_t>(file.size()) && found.rows >= 0 &&
              found.rows <= window.y && found.columns >= 0 && found.columns <= window.x &&
              (found.begin != 0 || (found.rows == 0 && found.columns == 0)),
          "a part of the file is left");
    return found;
  };
  int32_t with_columns = 0;
  for (int32_t y = 0; y < height; ++y) {
    const Window across{y, 0, height - y, width}, narrow{y, width / 2, 1, width / 4};
    const CutJpeg walked = cut(whole, across, nullptr);
    check(walked == cut(whole, across, &index), "an index changes nothing at row " + std::to_string(y));
    check(walked == cut(whole, across, &index), "a full one neither");
    check(y < 48 || walked.rows > 0, "rows are left out above row " + std::to_string(y));
    const CutJpeg first = cut(whole, narrow, &index);
    check(first == cut(whole, narrow, &index), "nor for a narrow window");
    with_columns += first.columns > 0;
  }
  // Codes of their own may lack a difference that the ends of rows make.
  check(has_columns ? with_columns > height / 2 : with_columns == 0, "columns are left out where there are enough");
  const auto size = static_cast<uint32_t>(whole.size());
  for (uint32_t key = 0; key < 20000; ++key) {
    const PhiloxBlock dice = philox({{key, 1, 0, 0}}, size, 2), place = philox({{key, 2, 0, 0}}, size, 2);
    std::vector<uint8_t> file = whole;
    for (uint32_t i = 0; i <= key % 3; ++i) file[dice.word[i] % size] = static_cast<uint8_t>(dice.word[i] >> 24);
    if (key % 5 == 0) file.resize(dice.word[3] % size);
    const Window window{static_cast<int32_t>(dice.word[3] >> 8 & 127), static_cast<int32_t>(place.word[0] % 300),
                        static_cast<int32_t>(1 + place.word[1] % 60), static_cast<int32_t>(1 + place.word[2] % 300)};
    cut(file, window, key % 2 == 0 ? nullptr : &index);
  }
}

void test_shared_index() {
  const std::vector<uint8_t> whole = from_hexadecimal(kWideEachPixel);
  PlaceIndex index(1, 1 << 14);
  ThreadPool pool(4);
  std::vector<CutJpeg> found(400);
  parallel_for({&pool, nullptr}, 400, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<uint8_t> file = whole;
      const Window window{static_cast<int32_t>(i % 40), static_cast<int32_t>(i % 40 * 5), 8, 30};
      found[i] = cut_jpeg(file.data(), static_cast<int64_t>(file.size()), window, &index, 0);
    }
  });
  for (size_t i = 40; i < found.size(); ++i) check(found[i] == found[i - 40], "threads share an index");
}

}  // namespace
}  // namespace lambda_fast

int main() {
  lambda_fast::test_resize();
  lambda_fast::test_filter();
  lambda_fast::test_structure();
  lambda_fast::test_cut_jpegs(lambda_fast::kEachPixel, 96, 32, false);
  lambda_fast::test_cut_jpegs(lambda_fast::kEachFourth, 96, 32, false);
  lambda_fast::test_cut_jpegs(lambda_fast::kWideEachPixel, 48, 272, true);
  lambda_fast::test_cut_jpegs(lambda_fast::kWideEachFourth, 48, 272, true);
  lambda_fast::test_shared_index();
  std::printf("%d passed, %d failed (rows: %s)\n", lambda_fast::checks - lambda_fast::failures, lambda_fast::failures,
              name_of(lambda_fast::chosen_isa()));
  return lambda_fast::failures == 0 ? 0 : 1;
}
