// NodeMemory: collectives among the ranks of one machine, through memory that all of them map.
//
// A round moves kRoundValues values. Each rank publishes its values of the round in its own slot; rank r sums the r-th
// part of the round over all slots, in the order of the ranks, and publishes that; each rank reads all parts. Slots
// alternate between two, so a rank may be one round ahead. What waits spins for some microseconds, then sleeps in the
// kernel (futex), so that waiting costs no core.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/collective/communicator.h"

namespace lambda_fast {

class NodeMemory {
 public:
  static constexpr int64_t kRoundValues = 1 << 18;

  // A file in memory, of the size that `ranks` need; it goes with the last process that has it open. -1: none to be
  // had.
  static int create(int ranks);

  // Maps the file.
  NodeMemory(int file, int rank, int ranks);
  ~NodeMemory();
  NodeMemory(const NodeMemory&) = delete;
  NodeMemory& operator=(const NodeMemory&) = delete;

  void all_reduce(const Bucket& bucket, Reduction reduction);
  void broadcast(const std::vector<Bytes>& parts, int root);
  void barrier();
  void abort();

 private:
  // Counts rounds; whoever waits for it sleeps on it.
  struct alignas(64) Counter {
    std::atomic<uint32_t> value;
    std::atomic<uint32_t> sleepers;
  };
  struct Shared {
    alignas(64) std::atomic<uint32_t> aborted;
  };

  static int64_t bytes(int ranks);
  Counter& published(int rank) { return counters_[2 * rank]; }
  Counter& reduced(int rank) { return counters_[2 * rank + 1]; }
  char* values(int rank);
  char* sums();
  void advance(Counter& counter);
  void wait_for(Counter& counter);
  void wait_for_all(Counter& (NodeMemory::*which)(int));

  const int rank_, ranks_;
  int spins_;
  uint32_t round_ = 0;
  Shared* shared_;
  Counter* counters_;
  char* slots_;
};

}  // namespace lambda_fast
