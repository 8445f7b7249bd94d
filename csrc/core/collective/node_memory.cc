// The rounds of NodeMemory, and how its ranks wait.
#include "core/collective/node_memory.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr int64_t kSlotBytes = NodeMemory::kRoundValues * 4;
constexpr int64_t kPage = 4096;
constexpr int kSpins = 4000;  // some tens of microseconds
constexpr long kNapNanoseconds = 100'000'000;

void futex(std::atomic<uint32_t>* word, int operation, uint32_t value, const timespec* timeout) {
  syscall(SYS_futex, word, operation, value, timeout, nullptr, 0);
}

// Counters may wrap around.
bool reached(uint32_t value, uint32_t round) { return static_cast<int32_t>(value - round) >= 0; }

}  // namespace

int64_t NodeMemory::bytes(int ranks) {
  const int64_t head = sizeof(Shared) + 2 * ranks * sizeof(Counter);
  return (head + kPage - 1) / kPage * kPage + 2 * (ranks + 1) * kSlotBytes;
}

int NodeMemory::create(int ranks) {
  const int file = static_cast<int>(memfd_create("lambda_fast", MFD_CLOEXEC));
  if (file < 0) return -1;
  if (ftruncate(file, bytes(ranks)) == 0) return file;
  close(file);
  return -1;
}

NodeMemory::NodeMemory(int file, int rank, int ranks) : rank_(rank), ranks_(ranks) {
  void* const base = mmap(nullptr, bytes(ranks), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (base == MAP_FAILED) {
    fail(ErrorKind::kInternal, "all_reduce", "expected to map ", bytes(ranks), " bytes, found error ", errno);
  }
  shared_ = static_cast<Shared*>(base);
  counters_ = reinterpret_cast<Counter*>(shared_ + 1);
  slots_ = static_cast<char*>(base) + bytes(ranks) - 2 * (ranks + 1) * kSlotBytes;
  // Where ranks share cores, the one that is waited for may need this one.
  spins_ = sysconf(_SC_NPROCESSORS_ONLN) < ranks ? 0 : kSpins;
}

NodeMemory::~NodeMemory() { munmap(shared_, bytes(ranks_)); }

char* NodeMemory::values(int rank) { return slots_ + (2 * rank + round_ % 2) * kSlotBytes; }

char* NodeMemory::sums() { return values(ranks_); }

void NodeMemory::advance(Counter& counter) {
  counter.value.store(round_);
  if (counter.sleepers.load() > 0) futex(&counter.value, FUTEX_WAKE, INT32_MAX, nullptr);
}

void NodeMemory::wait_for(Counter& counter) {
  for (int i = 0; i < spins_; ++i) {
    if (reached(counter.value.load(std::memory_order_acquire), round_)) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  const timespec nap{0, kNapNanoseconds};
  for (;;) {
    counter.sleepers.fetch_add(1);
    const uint32_t seen = counter.value.load();
    if (!reached(seen, round_)) futex(&counter.value, FUTEX_WAIT, seen, &nap);
    counter.sleepers.fetch_sub(1);
    if (reached(counter.value.load(), round_)) return;
    if (shared_->aborted.load() != 0) {
      fail(ErrorKind::kInternal, "all_reduce", "expected all ", ranks_, " ranks, found that the run was ended");
    }
  }
}

void NodeMemory::wait_for_all(Counter& (NodeMemory::*which)(int)) {
  for (int i = 1; i < ranks_; ++i) wait_for((this->*which)((rank_ + i) % ranks_));
}

void NodeMemory::all_reduce(const Bucket& bucket, Reduction reduction) {
  const ValueType wire = bucket.wire();
  const float divisor = reduction == Reduction::kMean ? static_cast<float>(ranks_) : 1.0f;
  for (int64_t begin = 0; begin < bucket.size(); begin += kRoundValues) {
    const int64_t end = std::min(bucket.size(), begin + kRoundValues);
    // Multiples of the alignment, so that no two ranks write into one cache line.
    const int64_t part = ((end - begin) / Bucket::kAlignment + ranks_ - 1) / ranks_ * Bucket::kAlignment;
    const int64_t first = std::min(end - begin, rank_ * part), last = std::min(end - begin, first + part);
    ++round_;
    bucket.pack(values(rank_), begin, end, wire);
    advance(published(rank_));
    wait_for_all(&NodeMemory::published);
    with_type(wire, [&](auto type) {
      using Wire = decltype(type);
      std::vector<const Wire*> ranks;
      for (int r = 0; r < ranks_; ++r) ranks.push_back(reinterpret_cast<const Wire*>(values(r)) + first);
      sum_in_order(reinterpret_cast<Wire*>(sums()) + first, ranks, last - first, divisor);
    });
    advance(reduced(rank_));
    wait_for_all(&NodeMemory::reduced);
    bucket.unpack(sums(), begin, end, wire);
  }
}

void NodeMemory::broadcast(const std::vector<Bytes>& parts, int root) {
  for (const Bytes& part : parts) {
    for (int64_t begin = 0; begin < part.size; begin += kSlotBytes) {
      const char* const input = static_cast<const char*>(part.input) + begin;
      char* const output = static_cast<char*>(part.output) + begin;
      const int64_t size = std::min(kSlotBytes, part.size - begin);
      ++round_;
      if (rank_ == root) {
        std::memcpy(values(root), input, size);
        advance(published(root));
        if (input != output) std::memcpy(output, input, size);
      } else {
        wait_for(published(root));
        std::memcpy(output, values(root), size);
        advance(published(rank_));
      }
      advance(reduced(rank_));
      wait_for_all(&NodeMemory::reduced);  // the slot is free again
    }
  }
}

void NodeMemory::barrier() {
  ++round_;
  advance(published(rank_));
  advance(reduced(rank_));
  wait_for_all(&NodeMemory::reduced);
}

void NodeMemory::abort() { shared_->aborted.store(1); }

}  // namespace lambda_fast
