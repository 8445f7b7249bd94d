// Time that a stream spends on some of its work, found out when that is done: the host never waits.
#pragma once

#include <cuda_runtime.h>

#include <deque>

#include "core/base/error.h"

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
    Span span;
    if (idle_.empty()) {
      check(cudaEventCreate(&span.begin));
      check(cudaEventCreate(&span.end));
    } else {
      span = idle_.back();
      idle_.pop_back();
    }
    running_.push_back(span);
    check(cudaEventRecord(span.begin, stream));
  }
  void end(cudaStream_t stream) { check(cudaEventRecord(running_.back().end, stream)); }

  double seconds() {
    add_what_is_done();
    return seconds_;
  }

 private:
  struct Span {
    cudaEvent_t begin = nullptr, end = nullptr;
  };

  static void check(cudaError_t status) {
    if (status != cudaSuccess) {
      fail(ErrorKind::kInternal, "stream_clock", "expected an event of the GPU, found: ", cudaGetErrorString(status));
    }
  }

  static void destroy(const Span& span) {
    cudaEventDestroy(span.begin);
    cudaEventDestroy(span.end);
  }

  void add_what_is_done() {
    while (!running_.empty() && cudaEventQuery(running_.front().end) == cudaSuccess) {
      float milliseconds = 0.0f;
      check(cudaEventElapsedTime(&milliseconds, running_.front().begin, running_.front().end));
      seconds_ += milliseconds * 1e-3;
      idle_.push_back(running_.front());
      running_.pop_front();
    }
  }

  std::deque<Span> running_, idle_;
  double seconds_ = 0.0;
};

}  // namespace lambda_fast
