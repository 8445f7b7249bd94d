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
  bool ended() const;

 private:
  // What a rank calls; all must call the same.
  struct Call {
    const char* what;
    uint64_t meaning;
  };
  // Counts rounds; whoever waits for it sleeps on it.
  struct alignas(64) Counter {
    std::atomic<uint32_t> value;
    std::atomic<uint32_t> sleepers;
    std::atomic<uint64_t> meaning;  // of the call that the round belongs to
  };
  enum class State : uint32_t { kGoing, kEnded, kDiffers };
  struct Shared {
    alignas(64) std::atomic<uint32_t> state;
  };

  static int64_t bytes(int ranks);
  Counter& published(int rank) { return counters_[2 * rank]; }
  Counter& reduced(int rank) { return counters_[2 * rank + 1]; }
  char* values(int rank);
  char* sums();
  // The three steps of a round: what this rank writes is there, every rank's is; every rank has read or summed it.
  void begin(const Call& call);
  void publish(const Call& call);
  void finish(const Call& call);
  // Throws when the run was ended, or ranks called different things.
  void require_going(const Call& call);
  void advance(Counter& counter);
  void wait_for(Counter& counter, const Call& call);

  const int rank_, ranks_;
  int spins_;
  uint32_t round_ = 0;
  Shared* shared_;
  Counter* counters_;
  char* slots_;
};

}  // namespace lambda_fast
