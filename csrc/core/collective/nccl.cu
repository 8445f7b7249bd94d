// Ranks with a GPU each, through NCCL: queued behind the caller's stream, run on a stream of their own. Nothing here
// waits for the device.
#include <cuda_runtime.h>

#include "core/base/error.h"
#include "core/collective/bucket_cuda.h"
#include "core/collective/communicator.h"
#include "core/collective/nccl_link.h"

namespace lambda_fast {
namespace {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    fail(ErrorKind::kInternal, "nccl", "expected ", what,
         " to succeed on the GPU, found: ", cudaGetErrorString(status));
  }
}

class Nccl : public Communicator {
 public:
  Nccl(const std::string& path, Communicator* bootstrap, double timeout)
      : bootstrap_(*bootstrap), link_(path, bootstrap, timeout) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    for (cudaEvent_t* event : {&given_, &done_, &free_}) {
      check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
  }

  ~Nccl() override {
    cudaStreamSynchronize(stream_);
    cudaFree(buffer_);
    for (cudaEvent_t event : {given_, done_, free_}) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }

  int rank() const override { return bootstrap_.rank(); }
  int size() const override { return bootstrap_.size(); }
  std::string name() const override { return "NCCL"; }
  bool ended() const override { return link_.aborted(); }

  void all_reduce(const Bucket& bucket, Reduction reduction, const Context& context) override {
    if (bucket.size() == 0) return;
    const auto turn = link_.begin("all_reduce");
    const auto caller = static_cast<cudaStream_t>(context.stream);
    reserve(bucket.size(), caller);
    check(cudaStreamWaitEvent(caller, free_), "cudaStreamWaitEvent");
    pack_cuda(buffer_, bucket, caller);
    behind(caller, "ncclAllReduce", [&](const NcclLibrary& nccl, ncclComm_t ranks) {
      return nccl.all_reduce(buffer_, buffer_, bucket.size(), ncclFloat32, ncclSum, ranks, stream_);
    });
    unpack_cuda(buffer_, bucket, reduction == Reduction::kMean ? static_cast<float>(size()) : 1.0f, caller);
    check(cudaEventRecord(free_, caller), "cudaEventRecord");
  }

  void broadcast(const std::vector<Bytes>& parts, int root, const Context& context) override {
    require(0 <= root && root < size(), "broadcast", "expected a root within a world of ", size(), ", found ", root);
    const auto turn = link_.begin("broadcast");
    behind(static_cast<cudaStream_t>(context.stream), "ncclBroadcast", [&](const NcclLibrary& nccl, ncclComm_t ranks) {
      nccl.check(nccl.group_start(), "ncclGroupStart");
      for (const Bytes& part : parts) {
        if (part.size == 0) continue;
        nccl.check(nccl.broadcast(part.input, part.output, part.size, ncclUint8, root, ranks, stream_),
                   "ncclBroadcast");
      }
      return nccl.group_end();
    });
  }

  void barrier() override { bootstrap_.barrier(); }

  void abort() override { link_.abort(); }

 private:
  // Queues `work` on the own stream behind what the caller's holds, and the caller's behind the work.
  template <class Work>
  void behind(cudaStream_t caller, const char* what, Work&& work) {
    check(cudaEventRecord(given_, caller), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream_, given_), "cudaStreamWaitEvent");
    link_.library().check(work(link_.library(), link_.communicator()), what);
    link_.settle(what);
    check(cudaEventRecord(done_, stream_), "cudaEventRecord");
    check(cudaStreamWaitEvent(caller, done_), "cudaStreamWaitEvent");
  }

  // cudaFree waits until nobody uses the old buffer. The gaps between pieces are summed too: they begin as zeros.
  void reserve(int64_t values, cudaStream_t caller) {
    if (values <= reserved_) return;
    check(cudaFree(buffer_), "cudaFree");
    buffer_ = nullptr, reserved_ = 0;
    check(cudaMalloc(&buffer_, values * sizeof(float)), "cudaMalloc");
    check(cudaMemsetAsync(buffer_, 0, values * sizeof(float), caller), "cudaMemsetAsync");
    reserved_ = values;
  }

  Communicator& bootstrap_;
  NcclLink link_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t given_ = nullptr, done_ = nullptr, free_ = nullptr;
  float* buffer_ = nullptr;
  int64_t reserved_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl(const std::string& path, Communicator* bootstrap, double timeout) {
  return std::make_unique<Nccl>(path, bootstrap, timeout);
}

}  // namespace lambda_fast
