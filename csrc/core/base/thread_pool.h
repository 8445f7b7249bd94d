// A fixed pool of threads, for callers that bring none of their own (numpy, the test program).
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/context.h"

namespace lambda_fast {

class ThreadPool : public Executor {
 public:
  // `threads` counts the calling thread, which parallel_for puts to work as well.
  explicit ThreadPool(int threads);
  ~ThreadPool() override;  // finishes what was scheduled

  int threads() const override { return static_cast<int>(workers_.size()) + 1; }
  void schedule(std::function<void()> task) override;

 private:
  void run();
  void stop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace lambda_fast
