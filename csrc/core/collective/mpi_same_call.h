// Whether all ranks make the same call: one small collective before each, so that a difference is an error, not a hang.
#pragma once

#include <mpi_abi.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/error.h"
#include "core/collective/bucket.h"
#include "core/collective/communicator.h"
#include "core/collective/mpi_library.h"

namespace lambda_fast {

enum class Operation : uint64_t { kSum, kMean, kBroadcast, kBarrier };

// What must be the same, in the order in which differences are named.
struct MpiCall {
  static constexpr size_t kFields = 5;
  static constexpr const char* kNames[kFields] = {"operation (sum 0, mean 1, broadcast 2, barrier 3)", "root",
                                                  "number of tensors", "total size", "shapes and types"};
  std::array<uint64_t, kFields> fields{};

  explicit MpiCall(Operation operation) { fields[0] = static_cast<uint64_t>(operation); }

  MpiCall(Operation operation, const Bucket& bucket) : MpiCall(operation) {
    fields[2] = bucket.pieces().size();
    for (const Piece& piece : bucket.pieces()) fields[3] += static_cast<uint64_t>(piece.count);
    fields[4] = bucket.layout();
  }

  MpiCall(const std::vector<Bytes>& parts, int root) : MpiCall(Operation::kBroadcast) {
    fields[1] = static_cast<uint64_t>(root), fields[2] = parts.size(), fields[4] = kHashStart;
    for (const Bytes& part : parts) {
      fields[3] += static_cast<uint64_t>(part.size);
      fields[4] = hashed(fields[4], static_cast<uint64_t>(part.size));
    }
  }
};

// Throws on all ranks where a field differs between them.
inline void require_same(const MpiLibrary& mpi, const MpiCall& call, const char* what, int ranks) {
  constexpr size_t kFields = MpiCall::kFields;
  // The least complement belongs to the greatest value: one collective finds both ends.
  std::array<uint64_t, 2 * kFields> own, least;
  for (size_t i = 0; i < kFields; ++i) own[i] = call.fields[i], own[kFields + i] = ~call.fields[i];
  mpi.check(mpi.all_reduce(own.data(), least.data(), 2 * kFields, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD),
            "MPI_Allreduce");
  for (size_t i = 0; i < kFields; ++i) {
    const uint64_t low = least[i], high = ~least[kFields + i];
    require(low == high, what, "expected the same ", MpiCall::kNames[i], " on all ", ranks, " ranks, found ", low,
            " to ", high, ". Ranks must run the same program on the same versions");
  }
}

}  // namespace lambda_fast
