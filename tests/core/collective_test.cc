// Tests of buckets and of the memory that ranks share, for the sanitizers: threads play the ranks, every buffer is
// exactly as long as it must be.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/base/isa.h"
#include "core/collective/bucket.h"
#include "core/collective/node_memory.h"

namespace lambda_fast {
namespace {

int failures = 0, checks = 0;

void check(bool ok, const std::string& what) {
  ++checks;
  if (ok) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

template <class Value>
std::unique_ptr<Value[]> exact(int64_t count) {
  return std::unique_ptr<Value[]>(new Value[static_cast<size_t>(count)]);
}

float value_of(int rank, int64_t i) { return static_cast<float>((i * 37 + rank * 11) % 101) - 50.0f; }

void test_float16() {
  // Every float16 comes back from float32 as it was; between two of them the nearer one, ties to even.
  int64_t wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float wide = widened(Float16{static_cast<uint16_t>(bits)});
    Float16 back;
    narrow(wide, &back);
    wrong += std::isnan(wide) ? (back.bits & 0x7FFF) <= 0x7C00 : back.bits != bits;
    if ((bits & 0x7FFF) >= 0x7BFF) continue;
    const float above = widened(Float16{static_cast<uint16_t>(bits + 1)}), middle = (wide + above) / 2;
    narrow(middle, &back);
    wrong += back.bits != bits + (bits & 1);
    narrow(std::nextafter(middle, above), &back);
    wrong += back.bits != bits + 1;
    narrow(std::nextafter(middle, wide), &back);
    wrong += back.bits != bits;
  }
  check(wrong == 0, "float16: " + std::to_string(wrong) + " roundings are wrong");
}

// Packs in cuts of every length, unpacks in others.
void test_bucket(ValueType second) {
  const int64_t counts[] = {5, 0, 16, 33, 1};
  std::vector<std::unique_ptr<float[]>> inputs, outputs;
  std::vector<std::unique_ptr<Float16[]>> halves, half_outputs;
  std::vector<Piece> pieces;
  for (int p = 0; p < 5; ++p) {
    inputs.push_back(exact<float>(counts[p]));
    outputs.push_back(exact<float>(counts[p]));
    halves.push_back(exact<Float16>(counts[p]));
    half_outputs.push_back(exact<Float16>(counts[p]));
    for (int64_t i = 0; i < counts[p]; ++i) {
      inputs[p][i] = value_of(p, i);
      narrow(value_of(p, i), &halves[p][i]);
    }
    const ValueType type = p % 2 == 1 ? second : ValueType::kFloat32;
    if (type == ValueType::kFloat32) {
      pieces.push_back({inputs[p].get(), outputs[p].get(), counts[p], type});
    } else {
      pieces.push_back({halves[p].get(), half_outputs[p].get(), counts[p], type});
    }
  }
  const Bucket bucket(pieces);
  check(bucket.wire() == ValueType::kFloat32, "a mixed bucket travels as float32");
  check(bucket.size() % Bucket::kAlignment == 0, "the bucket ends aligned");
  for (int64_t cut = 1; cut <= bucket.size(); ++cut) {
    const auto packed = exact<float>(bucket.size());
    for (int64_t at = 0; at < bucket.size(); at += cut) {
      bucket.pack(packed.get() + at, at, std::min(bucket.size(), at + cut), bucket.wire());
    }
    for (int64_t at = 0; at < bucket.size(); at += cut + 3) {
      bucket.unpack(packed.get() + at, at, std::min(bucket.size(), at + cut + 3), bucket.wire());
    }
    bool same = true;
    for (int p = 0; p < 5; ++p) {
      for (int64_t i = 0; i < counts[p]; ++i) {
        const bool half = pieces[p].type != ValueType::kFloat32;
        same &= (half ? widened(half_outputs[p][i]) : outputs[p][i]) == value_of(p, i);
        same &= packed[bucket.offset(p) + i] == value_of(p, i);
      }
    }
    check(same, "a bucket packed in cuts of " + std::to_string(cut) + " is what was put in");
  }
  auto swapped = pieces;
  std::swap(swapped[0], swapped[2]);
  check(Bucket(swapped).layout() != bucket.layout(), "the layout tells an order from another");
}

void on_ranks(int ranks, const std::function<void(NodeMemory&, int)>& body) {
  const int file = NodeMemory::create(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([=, &body] {
      NodeMemory node(file, rank, ranks);
      node.barrier();
      body(node, rank);
    });
  }
  for (std::thread& thread : threads) thread.join();
  close(file);
}

void test_sums(int ranks) {
  for (const int64_t count : {int64_t{1}, int64_t{100}, NodeMemory::kRoundValues + 5, 3 * NodeMemory::kRoundValues}) {
    std::vector<int64_t> wrong(ranks);
    on_ranks(ranks, [&](NodeMemory& node, int rank) {
      const auto values = exact<float>(count);
      for (int repeat = 0; repeat < 3; ++repeat) {
        for (int64_t i = 0; i < count; ++i) values[i] = value_of(rank, i);
        node.all_reduce(Bucket({{values.get(), values.get(), count, ValueType::kFloat32}}), Reduction::kSum);
        for (int64_t i = 0; i < count; ++i) {
          float sum = 0;
          for (int r = 0; r < ranks; ++r) sum += value_of(r, i);
          wrong[rank] += values[i] != sum;
        }
        if (rank == 0) node.broadcast({{values.get(), values.get(), count * 4}}, 0);
        if (rank > 0) node.broadcast({{nullptr, values.get(), count * 4}}, 0);
      }
    });
    for (int rank = 0; rank < ranks; ++rank) {
      check(wrong[rank] == 0, std::to_string(ranks) + " ranks, " + std::to_string(count) + " values: rank " +
                                  std::to_string(rank) + " has " + std::to_string(wrong[rank]) + " wrong");
    }
  }
}

void test_abort() {
  std::vector<std::string> errors(3);
  on_ranks(3, [&](NodeMemory& node, int rank) {
    if (rank == 2) {
      node.abort();
      return;
    }
    try {
      node.barrier();
    } catch (const Error& error) {
      errors[rank] = error.what();
    }
  });
  for (int rank = 0; rank < 2; ++rank) {
    check(errors[rank] == "[barrier] expected all 3 ranks, found that the run was ended", "abort: " + errors[rank]);
  }
}

}  // namespace
}  // namespace lambda_fast

int main() {
  using namespace lambda_fast;
  test_float16();
  test_bucket(ValueType::kFloat16);
  for (const int ranks : {1, 2, 3, 5}) test_sums(ranks);
  test_abort();
  std::printf("%d passed, %d failed (rows: %s)\n", checks - failures, failures, name_of(chosen_isa()));
  return failures > 0;
}
