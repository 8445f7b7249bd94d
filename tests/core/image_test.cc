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
#include "core/image/jpeg_rows.h"
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

// Sound files lose rows; files with damage anywhere, or cut short, lead nowhere outside of their bytes.
void test_skipped_rows() {
  for (const char* text : {kEachPixel, kEachFourth}) {
    const std::vector<uint8_t> whole = from_hexadecimal(text);
    RowIndex index(2, 1 << 12);
    const auto skipped = [&](std::vector<uint8_t> file, int32_t y, RowIndex* known) {
      file.shrink_to_fit();
      const SkippedRows found = skip_jpeg_rows(file.data(), static_cast<int64_t>(file.size()), y, known, 1);
      check(found.begin >= 0 && found.begin <= static_cast<int64_t>(file.size()) && found.rows >= 0 &&
                found.rows <= y && (found.rows == 0) == (found.begin == 0),
            "a part of the file is left");
      return found;
    };
    for (int32_t y = 0; y < 120; ++y) {
      const SkippedRows walked = skipped(whole, y, nullptr), first = skipped(whole, y, &index);
      const SkippedRows again = skipped(whole, y, &index);
      check(walked.begin == first.begin && walked.rows == first.rows && walked.begin == again.begin &&
                walked.rows == again.rows,
            "an index changes nothing at row " + std::to_string(y));
      check(y < 48 || walked.rows > 0, "rows are left out above row " + std::to_string(y));
    }
    const auto size = static_cast<uint32_t>(whole.size());
    for (uint32_t key = 0; key < 20000; ++key) {
      const PhiloxBlock dice = philox({{key, 1, 0, 0}}, size, 2);
      std::vector<uint8_t> file = whole;
      for (uint32_t i = 0; i <= key % 3; ++i) file[dice.word[i] % size] = static_cast<uint8_t>(dice.word[i] >> 24);
      if (key % 5 == 0) file.resize(dice.word[3] % size);
      skipped(file, static_cast<int32_t>(dice.word[3] >> 8 & 127), key % 2 == 0 ? nullptr : &index);
    }
  }
}

void test_shared_index() {
  const std::vector<uint8_t> whole = from_hexadecimal(kEachPixel);
  RowIndex index(1, 1 << 12);
  ThreadPool pool(4);
  std::vector<SkippedRows> found(400);
  parallel_for({&pool, nullptr}, 400, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<uint8_t> file = whole;
      found[i] =
          skip_jpeg_rows(file.data(), static_cast<int64_t>(file.size()), static_cast<int32_t>(i % 96), &index, 0);
    }
  });
  for (size_t i = 96; i < found.size(); ++i) {
    check(found[i].begin == found[i - 96].begin && found[i].rows == found[i - 96].rows, "threads share an index");
  }
}

}  // namespace
}  // namespace lambda_fast

int main() {
  lambda_fast::test_resize();
  lambda_fast::test_filter();
  lambda_fast::test_structure();
  lambda_fast::test_skipped_rows();
  lambda_fast::test_shared_index();
  std::printf("%d passed, %d failed (rows: %s)\n", lambda_fast::checks - lambda_fast::failures, lambda_fast::failures,
              name_of(lambda_fast::chosen_isa()));
  return lambda_fast::failures == 0 ? 0 : 1;
}
