// Ranks with a GPU each, through NCCL: queued behind the caller's stream, run on a stream of their own.
//
// Nothing here waits for the device. A thread of this class looks ten times a second whether NCCL or another rank
// reports a failure, and then aborts the communicator, so that kernels which wait for a dead rank end.
#include <cuda_runtime.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/error.h"
#include "core/collective/bucket_cuda.h"
#include "core/collective/communicator.h"
#include "core/collective/nccl_library.h"

namespace lambda_fast {
namespace {

constexpr auto kLook = std::chrono::milliseconds(100);
constexpr auto kPatience = std::chrono::seconds(1);

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    fail(ErrorKind::kInternal, "nccl", "expected ", what,
         " to succeed on the GPU, found: ", cudaGetErrorString(status));
  }
}

class Nccl : public Communicator {
 public:
  Nccl(const std::string& path, Communicator* bootstrap) : nccl_(path), bootstrap_(*bootstrap) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    for (cudaEvent_t* event : {&given_, &done_, &free_}) {
      check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ncclUniqueId id{};
    if (rank() == 0) nccl_.check(nccl_.get_unique_id(&id), "ncclGetUniqueId");
    bootstrap_.broadcast({{&id, &id, sizeof id}}, 0, {});
    nccl_.check(nccl_.comm_init_rank(&comm_, size(), id, rank()), "ncclCommInitRank");
    watch_ = std::thread([this] { watch(); });
  }

  ~Nccl() override {
    {
      const std::lock_guard<std::mutex> lock(leaving_mutex_);
      leaving_ = true;
    }
    leaving_changed_.notify_all();
    watch_.join();
    cudaStreamSynchronize(stream_);
    if (!aborted_) nccl_.comm_destroy(comm_);
    cudaFree(buffer_);
    for (cudaEvent_t event : {given_, done_, free_}) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }

  int rank() const override { return bootstrap_.rank(); }
  int size() const override { return bootstrap_.size(); }
  std::string name() const override { return "NCCL"; }
  bool ended() const override { return aborted_; }

  void all_reduce(const Bucket& bucket, Reduction reduction, const Context& context) override {
    if (bucket.size() == 0) return;
    const std::lock_guard<std::timed_mutex> lock(mutex_);
    const auto caller = static_cast<cudaStream_t>(context.stream);
    require_going("all_reduce");
    reserve(bucket.size());
    check(cudaStreamWaitEvent(caller, free_), "cudaStreamWaitEvent");
    // Gaps must not hold NaNs of long ago, which some reductions would trap on.
    check(cudaMemsetAsync(buffer_, 0, bucket.size() * sizeof(float), caller), "cudaMemsetAsync");
    pack_cuda(buffer_, bucket, caller);
    behind(caller, [&] {
      nccl_.check(nccl_.all_reduce(buffer_, buffer_, bucket.size(), ncclFloat32, ncclSum, comm_, stream_),
                  "ncclAllReduce");
    });
    unpack_cuda(buffer_, bucket, reduction == Reduction::kMean ? static_cast<float>(size()) : 1.0f, caller);
    check(cudaEventRecord(free_, caller), "cudaEventRecord");
  }

  void broadcast(const std::vector<Bytes>& parts, int root, const Context& context) override {
    require(0 <= root && root < size(), "broadcast", "expected a root within a world of ", size(), ", found ", root);
    const std::lock_guard<std::timed_mutex> lock(mutex_);
    require_going("broadcast");
    behind(static_cast<cudaStream_t>(context.stream), [&] {
      nccl_.check(nccl_.group_start(), "ncclGroupStart");
      for (const Bytes& part : parts) {
        if (part.size == 0) continue;
        nccl_.check(nccl_.broadcast(part.input, part.output, part.size, ncclUint8, root, comm_, stream_),
                    "ncclBroadcast");
      }
      nccl_.check(nccl_.group_end(), "ncclGroupEnd");
    });
  }

  void barrier() override { bootstrap_.barrier(); }

  // A call that is stuck inside NCCL holds the mutex: after a second it is aborted all the same, which NCCL allows.
  void abort() override {
    const std::unique_lock<std::timed_mutex> lock(mutex_, kPatience);
    if (!aborted_.exchange(true)) nccl_.comm_abort(comm_);
  }

 private:
  // Queues `work` on the own stream behind what the caller's holds, and the caller's behind the work.
  template <class Work>
  void behind(cudaStream_t caller, Work&& work) {
    check(cudaEventRecord(given_, caller), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream_, given_), "cudaStreamWaitEvent");
    work();
    check(cudaEventRecord(done_, stream_), "cudaEventRecord");
    check(cudaStreamWaitEvent(caller, done_), "cudaStreamWaitEvent");
  }

  void require_going(const char* what) const {
    if (aborted_) fail(ErrorKind::kInternal, what, "expected all ", size(), " ranks, found that the run was ended");
  }

  // cudaFree waits until nobody uses the old buffer.
  void reserve(int64_t values) {
    if (values <= reserved_) return;
    check(cudaFree(buffer_), "cudaFree");
    buffer_ = nullptr, reserved_ = 0;
    check(cudaMalloc(&buffer_, values * sizeof(float)), "cudaMalloc");
    reserved_ = values;
  }

  void watch() {
    std::unique_lock<std::mutex> lock(leaving_mutex_);
    while (!leaving_changed_.wait_for(lock, kLook, [this] { return leaving_; })) {
      if (aborted_) return;
      ncclResult_t found = ncclSuccess;
      nccl_.comm_get_async_error(comm_, &found);
      if (bootstrap_.ended() || (found != ncclSuccess && found != ncclInProgress)) {
        bootstrap_.abort();
        abort();
        return;
      }
    }
  }

  const NcclLibrary nccl_;
  Communicator& bootstrap_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t given_ = nullptr, done_ = nullptr, free_ = nullptr;
  float* buffer_ = nullptr;
  int64_t reserved_ = 0;
  std::timed_mutex mutex_;
  std::atomic<bool> aborted_{false};
  std::thread watch_;
  std::mutex leaving_mutex_;
  std::condition_variable leaving_changed_;
  bool leaving_ = false;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl(const std::string& path, Communicator* bootstrap) {
  return std::make_unique<Nccl>(path, bootstrap);
}

}  // namespace lambda_fast
