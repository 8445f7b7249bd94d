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
    const float divisor = reduction == Reduction::kMean ? static_cast<float>(size()) : 1.0f;
    if (size_of(bucket.wire()) == 2) {
      narrow_all_reduce(bucket, divisor, caller);
    } else {
      reserve(bucket.size() * 4, caller);
      pack_cuda(buffer_, ValueType::kFloat32, bucket, caller);
      behind(caller, "ncclAllReduce", [&](const NcclLibrary& nccl, ncclComm_t ranks) {
        return nccl.all_reduce(buffer_, buffer_, bucket.size(), ncclFloat32, ncclSum, ranks, stream_);
      });
      unpack_cuda(buffer_, ValueType::kFloat32, bucket, divisor, caller);
    }
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
  // NCCL's own sums would be rounded to two bytes at each rank on their way. Here, as on CPUs, rank r gets everybody's
  // r-th part, sums it in float32 and rounds once; then all get all parts. As much travels as in a ring.
  void narrow_all_reduce(const Bucket& bucket, float divisor, cudaStream_t caller) {
    const ValueType wire = bucket.wire();
    const int64_t part = part_of(bucket.size(), size()), bytes = part * size_of(wire);
    reserve(2 * size() * bytes, caller);
    char *const sent = buffer_, *const received = sent + size() * bytes, *const own = sent + rank() * bytes;
    pack_cuda(sent, wire, bucket, caller);
    behind(caller, "ncclAllGather", [&](const NcclLibrary& nccl, ncclComm_t ranks) {
      nccl.check(nccl.group_start(), "ncclGroupStart");
      for (int r = 0; r < size(); ++r) {
        nccl.check(nccl.send(sent + r * bytes, bytes, ncclUint8, r, ranks, stream_), "ncclSend");
        nccl.check(nccl.recv(received + r * bytes, bytes, ncclUint8, r, ranks, stream_), "ncclRecv");
      }
      nccl.check(nccl.group_end(), "ncclGroupEnd");
      link_.settle("ncclSend");
      sum_cuda(own, received, wire, part, size(), part, divisor, stream_);
      return nccl.all_gather(own, sent, bytes, ncclUint8, ranks, stream_);
    });
    unpack_cuda(sent, wire, bucket, 1.0f, caller);
  }

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

  // The buffer, behind its last use. cudaFree waits until nobody uses the old one. What no piece covers is summed too:
  // it begins as zeros.
  void reserve(int64_t bytes, cudaStream_t caller) {
    check(cudaStreamWaitEvent(caller, free_), "cudaStreamWaitEvent");
    if (bytes <= reserved_) return;
    check(cudaFree(buffer_), "cudaFree");
    buffer_ = nullptr, reserved_ = 0;
    check(cudaMalloc(&buffer_, bytes), "cudaMalloc");
    check(cudaMemsetAsync(buffer_, 0, bytes, caller), "cudaMemsetAsync");
    reserved_ = bytes;
  }

  Communicator& bootstrap_;
  NcclLink link_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t given_ = nullptr, done_ = nullptr, free_ = nullptr;
  char* buffer_ = nullptr;
  int64_t reserved_ = 0;  // bytes
};

}  // namespace

std::unique_ptr<Communicator> make_nccl(const std::string& path, Communicator* bootstrap, double timeout) {
  return std::make_unique<Nccl>(path, bootstrap, timeout);
}

}  // namespace lambda_fast
