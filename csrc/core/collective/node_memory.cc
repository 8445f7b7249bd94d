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

char* NodeMemory::values(int rank) { return slots_ + ((round_ % 2) * (ranks_ + 1) + rank) * kSlotBytes; }

char* NodeMemory::sums() { return values(ranks_); }

void NodeMemory::begin(const Call& call) {
  require_going(call);
  ++round_;
}

void NodeMemory::require_going(const Call& call) {
  switch (static_cast<State>(shared_->state.load(std::memory_order_relaxed))) {
    case State::kGoing:
      return;
    case State::kEnded:
      fail(ErrorKind::kInternal, call.what, "expected all ", ranks_, " ranks, found that the run was ended");
    case State::kDiffers:
      fail(ErrorKind::kInvalidArgument, call.what, "expected the same call with the same shapes and types on all ",
           ranks_, " ranks, found different ones. Ranks must run the same program on the same versions");
  }
}

void NodeMemory::publish(const Call& call) {
  published(rank_).meaning.store(call.meaning, std::memory_order_relaxed);
  advance(published(rank_));
  for (int i = 1; i < ranks_; ++i) {
    const int rank = (rank_ + i) % ranks_;
    wait_for(published(rank), call);
    if (published(rank).meaning.load(std::memory_order_relaxed) == call.meaning) continue;
    shared_->state.store(static_cast<uint32_t>(State::kDiffers));
    require_going(call);
  }
}

void NodeMemory::finish(const Call& call) {
  advance(reduced(rank_));
  for (int i = 1; i < ranks_; ++i) wait_for(reduced((rank_ + i) % ranks_), call);
}

void NodeMemory::advance(Counter& counter) {
  counter.value.store(round_);
  if (counter.sleepers.load() > 0) futex(&counter.value, FUTEX_WAKE, INT32_MAX, nullptr);
}

void NodeMemory::wait_for(Counter& counter, const Call& call) {
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
    require_going(call);
  }
}

void NodeMemory::all_reduce(const Bucket& bucket, Reduction reduction) {
  const Call call{"all_reduce", bucket.layout() * 8 + (reduction == Reduction::kMean ? 1 : 0)};
  const ValueType wire = bucket.wire();
  const float divisor = reduction == Reduction::kMean ? static_cast<float>(ranks_) : 1.0f;
  for (int64_t from = 0; from < bucket.size(); from += kRoundValues) {
    const int64_t to = std::min(bucket.size(), from + kRoundValues);
    const int64_t part = part_of(to - from, ranks_);
    const int64_t first = std::min(to - from, rank_ * part), last = std::min(to - from, first + part);
    begin(call);
    bucket.pack(values(rank_), from, to, wire);
    publish(call);
    with_type(wire, [&](auto type) {
      using Wire = decltype(type);
      sum_in_order(reinterpret_cast<Wire*>(sums()) + first, reinterpret_cast<const Wire*>(values(0)) + first,
                   kSlotBytes / static_cast<int64_t>(sizeof(Wire)), ranks_, last - first, divisor);
    });
    finish(call);
    bucket.unpack(sums(), from, to, wire);
  }
}

void NodeMemory::broadcast(const std::vector<Bytes>& parts, int root) {
  for (const Bytes& part : parts) {
    const Call call{"broadcast", (static_cast<uint64_t>(part.size) << 20 | static_cast<uint64_t>(root)) * 8 + 2};
    for (int64_t from = 0; from < part.size; from += kSlotBytes) {
      const char* const input = static_cast<const char*>(part.input) + from;
      char* const output = static_cast<char*>(part.output) + from;
      const int64_t size = std::min(kSlotBytes, part.size - from);
      begin(call);
      if (rank_ == root) std::memcpy(values(root), input, size);
      publish(call);
      if (rank_ != root || input != output) std::memcpy(output, values(root), size);
      finish(call);
    }
  }
}

void NodeMemory::barrier() {
  const Call call{"barrier", 3};
  begin(call);
  publish(call);
  finish(call);
}

bool NodeMemory::ended() const { return shared_->state.load() != static_cast<uint32_t>(State::kGoing); }

void NodeMemory::abort() { shared_->state.store(static_cast<uint32_t>(State::kEnded)); }

}  // namespace lambda_fast
