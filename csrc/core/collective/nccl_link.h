// NcclLink: a non-blocking NCCL communicator, from its start to its end or abortion.
#pragma once

#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <string>
#include <thread>

#include "core/collective/communicator.h"
#include "core/collective/nccl_library.h"

namespace lambda_fast {

// A call that NCCL has not finished on the host is looked at until it is or the run ends. A thread looks ten times a
// second whether NCCL or another rank reports a failure, and then aborts the communicator, so that kernels which wait
// for a dead rank end.
class NcclLink {
 public:
  // `bootstrap` hands NCCL's id to all ranks; start and end fail after `timeout` seconds each.
  NcclLink(const std::string& path, Communicator* bootstrap, double timeout);
  ~NcclLink();
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  const NcclLibrary& library() const { return library_; }

  // For the next call alone: an abort frees it. Throws when the run was ended.
  ncclComm_t communicator() const;

  // The right to call NCCL. Throws when the run was ended.
  std::unique_lock<std::timed_mutex> begin(const char* what);

  // Waits until NCCL has queued what was called last, however long: it connects to a rank at the first call, and that
  // rank may still compile.
  void settle(const char* what) { settle(what, std::numeric_limits<double>::infinity()); }

  void abort();
  bool aborted() const { return aborted_; }

 private:
  void require_going(const char* what) const;
  void settle(const char* what, double seconds);
  ncclResult_t look();
  void watch();
  void finish();

  const NcclLibrary library_;
  Communicator& bootstrap_;
  const double timeout_;
  ncclComm_t communicator_ = nullptr;
  std::timed_mutex mutex_;  // the right to call NCCL
  std::mutex look_mutex_;   // held while somebody looks, so that nobody frees what is looked at
  std::atomic<bool> aborted_{false};
  std::mutex leaving_mutex_;
  std::condition_variable leaving_changed_;
  bool leaving_ = false;
  std::thread watch_;
};

}  // namespace lambda_fast
