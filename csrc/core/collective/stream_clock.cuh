// Time that a stream spends on some of its work, found out when that is done: the host never waits.
#pragma once

#include <cuda_runtime.h>

#include <deque>

#include "core/base/cuda_check.cuh"

namespace lambda_fast {

class StreamClock {
 public:
  StreamClock() = default;
  ~StreamClock() {
    for (const Span& span : running_) destroy(span);
    for (const Span& span : idle_) destroy(span);
  }
  StreamClock(const StreamClock&) = delete;
  StreamClock& operator=(const StreamClock&) = delete;

  // What is queued on the stream between these two is counted.
  void begin(cudaStream_t stream) {
    add_what_is_done();
    if (idle_.empty()) {
      Span span;
      check_cuda(cudaEventCreate(&span.begin), "stream_clock", "cudaEventCreate");
      check_cuda(cudaEventCreate(&span.end), "stream_clock", "cudaEventCreate");
      idle_.push_back(span);
    }
    check_cuda(cudaEventRecord(idle_.back().begin, stream), "stream_clock", "cudaEventRecord");
  }
  void end(cudaStream_t stream) {
    check_cuda(cudaEventRecord(idle_.back().end, stream), "stream_clock", "cudaEventRecord");
    running_.push_back(idle_.back());
    idle_.pop_back();
  }

  double seconds() {
    add_what_is_done();
    return seconds_;
  }

 private:
  struct Span {
    cudaEvent_t begin = nullptr, end = nullptr;
  };

  static void destroy(const Span& span) {
    cudaEventDestroy(span.begin);
    cudaEventDestroy(span.end);
  }

  void add_what_is_done() {
    while (!running_.empty()) {
      const cudaError_t status = cudaEventQuery(running_.front().end);
      if (status == cudaErrorNotReady) {
        (void)cudaGetLastError();  // or the next launch on this thread would be taken for a failed one
        return;
      }
      check_cuda(status, "stream_clock", "the work before an event");
      float milliseconds = 0.0f;
      check_cuda(cudaEventElapsedTime(&milliseconds, running_.front().begin, running_.front().end), "stream_clock",
                 "cudaEventElapsedTime");
      seconds_ += milliseconds * 1e-3;
      idle_.push_back(running_.front());
      running_.pop_front();
    }
  }

  std::deque<Span> running_, idle_;  // begun, the newest last; and those to be used again
  double seconds_ = 0.0;
};

}  // namespace lambda_fast
