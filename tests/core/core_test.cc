// Tests of the core alone: no Python, no TensorFlow. CI runs this program under AddressSanitizer and UBSan.
//
// Every check that fails is printed; the exit code is the number of failures (at most 1).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/augment/augment.h"
#include "core/augment/rows.h"
#include "core/base/error.h"
#include "core/base/permutation.h"
#include "core/base/thread_pool.h"

namespace lambda_fast {
namespace {

int failures = 0, checks = 0;

void check(bool ok, const std::string& what) {
  ++checks;
  if (ok) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

template <class Body>
void check_refused(const std::string& expected, Body&& body) {
  try {
    body();
    check(false, "no error where one should say: " + expected);
  } catch (const Error& error) {
    check(std::strstr(error.what(), expected.c_str()) != nullptr,
          "'" + std::string(error.what()) + "' says " + expected);
  }
}

// Exactly as long as it must be, so that the sanitizer sees any step beyond.
template <class Value>
std::unique_ptr<Value[]> exact(int64_t count) {
  return std::unique_ptr<Value[]>(new Value[static_cast<size_t>(count)]);
}

struct Result {
  std::unique_ptr<uint8_t[]> bytes;
  int64_t count;
  bool operator==(const Result& other) const {
    return count == other.count && std::memcmp(bytes.get(), other.bytes.get(), static_cast<size_t>(count)) == 0;
  }
};

Result augmented(const AugmentSpec& spec, const ImageShape& shape, int64_t images, FloatType type, Executor* executor) {
  const AugmentPlan plan = make_plan(spec, shape);
  const auto pixels = exact<uint8_t>(images * shape.elements());
  for (int64_t i = 0; i < images * shape.elements(); ++i) {
    pixels[i] = static_cast<uint8_t>(philox({{static_cast<uint32_t>(i), 0, 0, 0}}, 7, 9).word[0]);
  }
  const auto ids = exact<int64_t>(images);
  for (int64_t i = 0; i < images; ++i) ids[i] = i * 1000003 - 5;
  const int64_t size = images * plan.output.elements() * (type == FloatType::kFloat32 ? 4 : 2);
  Result result{exact<uint8_t>(size), size};
  const int64_t seed = -3, epoch = 4000000000;
  augment_cpu({result.bytes.get(), type}, {pixels.get(), ids.get(), images, shape}, {&seed, &epoch}, plan,
              {executor, nullptr});
  return result;
}

std::vector<AugmentSpec> specs() {
  std::vector<AugmentSpec> all(1);
  AugmentSpec cifar;
  cifar.pad = 4;
  cifar.crop = Crop::kRandom;
  cifar.flip = 0.5f;
  cifar.brightness = 63;
  cifar.contrast = {0.2f, 1.8f};
  cifar.normalize = Normalize::kImage;
  all.push_back(cifar);
  cifar.flip = 1;
  cifar.cutout = 9;
  cifar.saturation = {0.5f, 1.5f};
  all.push_back(cifar);
  AugmentSpec photo;
  photo.height = 13;
  photo.width = 17;
  photo.crop = Crop::kRandomResized;
  photo.flip = 0.5f;
  photo.normalize = Normalize::kChannels;
  all.push_back(photo);
  photo.aspect = {0.02f, 50.0f};
  photo.saturation = {0, 2};
  photo.cutout = 1000;
  all.push_back(photo);
  AugmentSpec padded;  // the window can lie in the padding alone
  padded.pad = 50;
  padded.height = padded.width = 3;
  padded.crop = Crop::kRandom;
  padded.flip = 0.5f;
  all.push_back(padded);
  AugmentSpec policy;
  policy.policy = Policy::kRandAugment;
  policy.policy_ops = 16;
  policy.policy_magnitude = 30;
  policy.normalize = Normalize::kImage;
  all.push_back(policy);
  policy.policy = Policy::kTrivialAugment;
  policy.height = 13;
  policy.width = 17;
  policy.crop = Crop::kRandomScaled;
  policy.short_side = {17, 60};
  all.push_back(policy);
  return all;
}

// The same bytes from one thread and from several, at every size from a single pixel on, in exact buffers.
void test_augment() {
  ThreadPool pool(3);
  for (const AugmentSpec& spec : specs()) {
    for (const int32_t channels : {1, 3}) {
      if (channels == 1 && spec.saturation.low != spec.saturation.high) continue;
      for (const int32_t height : {1, 2, 7, 33}) {
        for (const int32_t width : {1, 2, 5, 6, 16, 31}) {
          for (const FloatType type : {FloatType::kFloat32, FloatType::kBFloat16}) {
            const ImageShape shape{height, width, channels};
            check(augmented(spec, shape, 9, type, nullptr) == augmented(spec, shape, 9, type, &pool),
                  "threads change no byte of " + std::to_string(height) + "x" + std::to_string(width));
          }
        }
      }
    }
  }
  check(augmented(specs()[1], {8, 8, 3}, 0, FloatType::kFloat32, &pool).count == 0, "an empty batch is no error");
}

void test_refusals() {
  AugmentSpec spec;
  check_refused("1 or 3 channels", [&] { make_plan(spec, {4, 4, 2}); });
  check_refused("an image height and width", [&] { make_plan(spec, {0, 4, 3}); });
  spec.height = spec.width = 9;
  check_refused("a crop of at most 4x4", [&] { make_plan(spec, {4, 4, 3}); });
  spec = {};
  spec.flip = 1.5f;
  check_refused("flip as a probability", [&] { make_plan(spec, {4, 4, 3}); });
  spec = {};
  spec.std[1] = 0;
  check_refused("std in [1e-6, 1e30]", [&] { make_plan(spec, {4, 4, 3}); });
  spec = {};
  spec.contrast = {1.5f, 0.5f};
  check_refused("contrast as [low, high]", [&] { make_plan(spec, {4, 4, 3}); });
  Crop crop;
  check_refused("crop to be one of center, random, random_resized", [&] { parse_name("middle", &crop); });
  int64_t id;
  check_refused("positions within [0, 5), found 1 from 5", [&] { sample_order(&id, 0, 0, 5, 5, 1); });
}

void test_permutation() {
  for (const int64_t size : {1, 2, 3, 17, 1000}) {
    const auto ids = exact<int64_t>(size);
    sample_order(ids.get(), 1, 2, size, 0, size);
    std::vector<bool> seen(static_cast<size_t>(size), false);
    for (int64_t i = 0; i < size; ++i) {
      const bool inside = 0 <= ids[i] && ids[i] < size;
      check(inside && !seen[static_cast<size_t>(ids[i])], "a permutation of " + std::to_string(size));
      if (inside) seen[static_cast<size_t>(ids[i])] = true;
    }
  }
}

void test_parallel_for() {
  ThreadPool pool(4);
  for (const int64_t grain : {1, 3, 1000}) {
    std::vector<int> counted(500, 0);
    parallel_for({&pool, nullptr}, 500, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++counted[static_cast<size_t>(i)];
    });
    bool once = true;
    for (const int count : counted) once = once && count == 1;
    check(once, "each index once with grain " + std::to_string(grain));
  }
  check_refused("piece", [&] {
    parallel_for({&pool, nullptr}, 100, 1,
                 [](int64_t begin, int64_t) { require(begin != 37, "test", "a piece fails"); });
  });
  // A call from within a piece must not wait for a free thread.
  std::atomic<int> inner{0};
  parallel_for({&pool, nullptr}, 8, 1, [&](int64_t, int64_t) {
    parallel_for({&pool, nullptr}, 8, 1, [&](int64_t begin, int64_t end) { inner += static_cast<int>(end - begin); });
  });
  check(inner == 64, "nested loops end");
}

// Two calls, one in each order.
void test_back_and_forth() {
  ThreadPool pool(4);
  for (Executor* executor : {static_cast<Executor*>(&pool), static_cast<Executor*>(nullptr)}) {
    for (const int64_t grain : {1, 7, 1000}) {
      std::vector<std::atomic<int>> counted(500);
      std::vector<int64_t> firsts[2];
      std::mutex mutex;
      for (auto& first : firsts) {
        parallel_for_back_and_forth({executor, nullptr}, 500, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++counted[static_cast<size_t>(i)];
          const std::lock_guard<std::mutex> lock(mutex);
          first.push_back(begin);
        });
      }
      bool twice = true;
      for (const auto& count : counted) twice = twice && count == 2;
      check(twice, "each index once in each order with grain " + std::to_string(grain));
      if (executor != nullptr || grain == 1000) continue;
      check(firsts[0].front() == 0 || firsts[1].front() == 0, "one call begins at the first piece");
      const int64_t last = (500 - 1) / grain * grain;
      check(firsts[0].front() == last || firsts[1].front() == last, "the other at the last");
    }
  }
}

}  // namespace
}  // namespace lambda_fast

int main() {
  lambda_fast::test_augment();
  lambda_fast::test_refusals();
  lambda_fast::test_permutation();
  lambda_fast::test_parallel_for();
  lambda_fast::test_back_and_forth();
  std::printf("%d passed, %d failed (rows: %s)\n", lambda_fast::checks - lambda_fast::failures, lambda_fast::failures,
              lambda_fast::augment_cpu_isa().c_str());
  return lambda_fast::failures == 0 ? 0 : 1;
}
