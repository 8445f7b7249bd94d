// NcclLink: a non-blocking NCCL communicator, from its start to its end or abortion.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "core/collective/communicator.h"
#include "core/collective/nccl_library.h"

namespace lambda_fast {

// A call that NCCL has not finished on the host is looked at until it is, the run ends or time is up. Between calls a
// thread looks ten times a second whether NCCL or another rank reports a failure, and then aborts the communicator, so
// that kernels which wait for a dead rank end.
class NcclLink {
 public:
  // `bootstrap` hands NCCL's id to all ranks; every wait fails after `timeout` seconds.
  NcclLink(const std::string& path, Communicator* bootstrap, double timeout);
  ~NcclLink();
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  const NcclLibrary& library() const { return library_; }
  ncclComm_t communicator() const { return communicator_; }

  // The right to call NCCL. Throws when the run was ended.
  std::unique_lock<std::timed_mutex> begin(const char* what);

  // Waits until NCCL has queued what was called last.
  void settle(const char* what);

  void abort();
  bool aborted() const { return aborted_; }

 private:
  void require_going(const char* what) const;
  void watch();
  void finish();

  const NcclLibrary library_;
  Communicator& bootstrap_;
  const double timeout_;
  ncclComm_t communicator_ = nullptr;
  std::timed_mutex mutex_;
  std::atomic<bool> aborted_{false};
  std::mutex leaving_mutex_;
  std::condition_variable leaving_changed_;
  bool leaving_ = false;
  std::thread watch_;
};

}  // namespace lambda_fast
