// Where work runs: an executor for the CPU, a stream for the GPU; whoever calls core owns both.
#pragma once

#include <cstdint>
#include <functional>

namespace lambda_fast {

// A borrowed pool of threads: TensorFlow's, XLA's or our own (thread_pool.h).
class Executor {
 public:
  virtual ~Executor() = default;
  virtual int threads() const = 0;
  virtual void schedule(std::function<void()> task) = 0;
};

struct Context {
  Executor* executor = nullptr;  // null: the calling thread alone
  void* stream = nullptr;        // a cudaStream_t, typed by the .cu files only
};

// Calls body(begin, end) over [0, count) in pieces of at most `grain`, or at once where there is one thread; returns
// when all are done.
//
// The caller takes pieces too and waits only for pieces already taken, so it cannot deadlock when it is itself
// a thread of the pool and all others are busy. The first exception of a piece is rethrown here.
void parallel_for(const Context& context, int64_t count, int64_t grain,
                  const std::function<void(int64_t begin, int64_t end)>& body);

// The same in turned order: each thread begins at the first of its pieces in one call, and at the last in the next.
//
// For passes over the same tensors, one after the other: each begins where the one before it ended, with what still
// lies in the cache. Where tensors are larger than that, passes in one direction would find nothing there. Turns are
// counted over the whole process, and calls at the same time take each other's, which touches speed alone.
void parallel_for_back_and_forth(const Context& context, int64_t count, int64_t grain,
                                 const std::function<void(int64_t begin, int64_t end)>& body);

}  // namespace lambda_fast
