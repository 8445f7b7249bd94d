// parallel_for: pieces of a range, taken by whoever is free.
#include "core/base/context.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

namespace lambda_fast {
namespace {

constexpr int kSpins = 2000;  // some tens of microseconds

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Of a thread's pieces.
enum class Order { kForward, kBackward };

// A number for the calling thread, small and its own.
int64_t thread_number() {
  static std::atomic<int64_t> count{0};
  thread_local const int64_t number = count.fetch_add(1);
  return number;
}

// Shared with tasks that may start after the caller has returned: those find no piece left and touch nothing else.
//
// Each thread has a share of the range, mostly the same one every time, so that it finds in its own cache what it wrote
// there in the call before; when that is done it helps with the others'.
class Pieces {
 public:
  Pieces(int64_t count, int64_t grain, int64_t threads, const std::function<void(int64_t, int64_t)>& body, Order order)
      : count_(count), grain_(grain), body_(&body), order_(order), shares_(static_cast<size_t>(threads)) {
    const int64_t pieces = (count + grain - 1) / grain;
    for (int64_t k = 0; k < threads; ++k) {
      shares_[k].begin = k * pieces / threads;
      shares_[k].count = (k + 1) * pieces / threads - shares_[k].begin;
    }
  }

  void work() {
    const size_t own = share_of_this_thread();
    for (size_t k = 0; k < shares_.size(); ++k) {
      Share& share = shares_[(own + k) % shares_.size()];
      for (int64_t i = share.taken.fetch_add(1); i < share.count; i = share.taken.fetch_add(1)) {
        run(share.begin + (order_ == Order::kForward ? i : share.count - 1 - i));
      }
    }
  }

  void wait() {
    // The last piece of another thread is mostly about to end: sleeping and being woken would take longer.
    for (int i = 0; i < kSpins && done_.load(std::memory_order_acquire) != count_; ++i) pause();
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_.load() == count_; });
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  struct alignas(64) Share {        // a line of its own
    std::atomic<int64_t> taken{0};  // of its pieces
    int64_t begin = 0, count = 0;
    std::atomic<bool> has_owner{false};
  };

  size_t share_of_this_thread() {
    const size_t first = static_cast<size_t>(thread_number()) % shares_.size();
    for (size_t k = 0; k < shares_.size(); ++k) {
      const size_t share = (first + k) % shares_.size();
      if (!shares_[share].has_owner.exchange(true)) return share;
    }
    return first;
  }

  void run(int64_t piece) {
    const int64_t begin = piece * grain_, end = std::min(count_, begin + grain_);
    try {
      (*body_)(begin, end);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    if (done_.fetch_add(end - begin) + (end - begin) == count_) {
      const std::lock_guard<std::mutex> lock(mutex_);
      all_done_.notify_all();
    }
  }

  const int64_t count_, grain_;
  const std::function<void(int64_t, int64_t)>* const body_;
  const Order order_;
  std::vector<Share> shares_;
  std::atomic<int64_t> done_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
  std::exception_ptr failure_;
};

void run_pieces(const Context& context, int64_t count, int64_t grain,
                const std::function<void(int64_t begin, int64_t end)>& body, Order order) {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  const int64_t pieces = (count + grain - 1) / grain;
  const int64_t threads = context.executor ? context.executor->threads() : 1;
  const int64_t helpers = std::min(threads, pieces) - 1;
  if (helpers <= 0) {
    if (order == Order::kForward) return body(0, count);
    for (int64_t piece = pieces - 1; piece >= 0; --piece) body(piece * grain, std::min(count, (piece + 1) * grain));
    return;
  }
  const auto shared = std::make_shared<Pieces>(count, grain, helpers + 1, body, order);
  try {
    for (int64_t i = 0; i < helpers; ++i) context.executor->schedule([shared] { shared->work(); });
  } catch (...) {
    // Those already scheduled use `body`, so this call must not end before them; the caller does the rest.
  }
  shared->work();
  shared->wait();
}

}  // namespace

void parallel_for(const Context& context, int64_t count, int64_t grain,
                  const std::function<void(int64_t begin, int64_t end)>& body) {
  run_pieces(context, count, grain, body, Order::kForward);
}

void parallel_for_back_and_forth(const Context& context, int64_t count, int64_t grain,
                                 const std::function<void(int64_t begin, int64_t end)>& body) {
  static std::atomic<unsigned> calls{0};
  run_pieces(context, count, grain, body, calls.fetch_add(1) % 2 == 0 ? Order::kForward : Order::kBackward);
}

}  // namespace lambda_fast
