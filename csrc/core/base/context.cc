// parallel_for: pieces of a range, taken by whoever is free.
#include "core/base/context.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

namespace lambda_fast {
namespace {

constexpr int kSpins = 2000;  // some tens of microseconds

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Shared with tasks that may start after the caller has returned: those find no piece left and touch nothing else.
class Pieces {
 public:
  Pieces(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body)
      : count_(count), grain_(grain), body_(&body) {}

  void work() {
    for (;;) {
      const int64_t begin = next_.fetch_add(grain_);
      if (begin >= count_) return;
      const int64_t end = std::min(count_, begin + grain_);
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
  }

  void wait() {
    // The last piece of another thread is mostly about to end: sleeping and being woken would take longer.
    for (int i = 0; i < kSpins && done_.load(std::memory_order_acquire) != count_; ++i) pause();
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return done_.load() == count_; });
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  const int64_t count_, grain_;
  const std::function<void(int64_t, int64_t)>* const body_;
  std::atomic<int64_t> next_{0}, done_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
  std::exception_ptr failure_;
};

}  // namespace

void parallel_for(const Context& context, int64_t count, int64_t grain,
                  const std::function<void(int64_t begin, int64_t end)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  const int64_t pieces = (count + grain - 1) / grain;
  const int64_t threads = context.executor ? context.executor->threads() : 1;
  const int64_t helpers = std::min(threads, pieces) - 1;
  if (helpers <= 0) {
    body(0, count);
    return;
  }
  const auto shared = std::make_shared<Pieces>(count, grain, body);
  try {
    for (int64_t i = 0; i < helpers; ++i) context.executor->schedule([shared] { shared->work(); });
  } catch (...) {
    // Those already scheduled use `body`, so this call must not end before them; the caller does the rest.
  }
  shared->work();
  shared->wait();
}

}  // namespace lambda_fast
