// Ranks with a GPU each, through NCCL: queued behind the caller's stream, run on a stream of their own. The host waits
// for the device where the buffer grows, which frees the old one, and at the end.
#include <cuda_runtime.h>

#include "core/base/cuda_check.cuh"
#include "core/base/error.h"
#include "core/collective/bucket_cuda.h"
#include "core/collective/communicator.h"
#include "core/collective/nccl_link.h"
#include "core/collective/stream_clock.cuh"

namespace lambda_fast {
namespace {

void check(cudaError_t status, const char* what) { check_cuda(status, "nccl", what); }

struct Stream {
  Stream() { check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  ~Stream() { cudaStreamDestroy(handle); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return handle; }
  cudaStream_t handle = nullptr;
};

struct Event {
  Event() { check(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming), "cudaEventCreateWithFlags"); }
  ~Event() { cudaEventDestroy(handle); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return handle; }
  cudaEvent_t handle = nullptr;
};

class Nccl : public Communicator {
 public:
  Nccl(const std::string& path, Communicator* bootstrap, double timeout)
      : bootstrap_(*bootstrap), link_(path, bootstrap, timeout) {}

  ~Nccl() override {
    cudaStreamSynchronize(stream_);
    cudaFree(buffer_);
  }

  int rank() const override { return bootstrap_.rank(); }
  int size() const override { return bootstrap_.size(); }
  std::string name() const override { return "NCCL"; }
  bool ended() const override { return link_.aborted(); }

  void all_reduce(const Bucket& bucket, Reduction reduction, const Context& context) override {
    if (bucket.size() == 0) return;
    const auto turn = link_.begin("all_reduce");
    const auto caller = static_cast<cudaStream_t>(context.stream);
    if (muted_) return keep(bucket, caller);
    clock_.begin(caller);
    const float divisor = reduction == Reduction::kMean ? static_cast<float>(size()) : 1.0f;
    if (size_of(bucket.wire()) == 2) {
      narrow_all_reduce(bucket, divisor, caller);
    } else {
      reserve(bucket.size() * 4, caller);
      pack_cuda(buffer_, ValueType::kFloat32, bucket, caller);
      behind(caller, "ncclAllReduce", [&](const NcclLibrary& nccl) {
        return nccl.all_reduce(buffer_, buffer_, bucket.size(), ncclFloat32, ncclSum, link_.communicator(), stream_);
      });
      unpack_cuda(buffer_, ValueType::kFloat32, bucket, divisor, caller);
    }
    check(cudaEventRecord(free_, caller), "cudaEventRecord");
    clock_.end(caller);
  }

  double seconds() override {
    const auto turn = link_.begin("seconds");
    return clock_.seconds();
  }

  void mute(bool muted) override {
    const auto turn = link_.begin("mute");
    muted_ = muted;
  }

  void broadcast(const std::vector<Bytes>& parts, int root, const Context& context) override {
    require(0 <= root && root < size(), "broadcast", "expected a root within a world of ", size(), ", found ", root);
    const auto turn = link_.begin("broadcast");
    behind(static_cast<cudaStream_t>(context.stream), "ncclBroadcast", [&](const NcclLibrary& nccl) {
      return in_group("ncclBroadcast", parts.size(), [&](size_t i, ncclComm_t ranks) {
        const Bytes& part = parts[i];
        if (part.size == 0) return ncclSuccess;
        return nccl.broadcast(part.input, part.output, part.size, ncclUint8, root, ranks, stream_);
      });
    });
  }

  void barrier() override { bootstrap_.barrier(); }

  void abort() override { link_.abort(); }

 private:
  static void keep(const Bucket& bucket, cudaStream_t caller) {
    for (const Piece& piece : bucket.pieces()) {
      if (piece.output == piece.input || piece.count == 0) continue;
      check(cudaMemcpyAsync(piece.output, piece.input, piece.count * size_of(piece.type), cudaMemcpyDeviceToDevice,
                            caller),
            "cudaMemcpyAsync");
    }
  }

  // NCCL's own sums would be rounded to two bytes at each rank on their way. Here, as on CPUs, rank r gets everybody's
  // r-th part, sums it in float32 and rounds once; then all get all parts. As much travels as in a ring.
  void narrow_all_reduce(const Bucket& bucket, float divisor, cudaStream_t caller) {
    const ValueType wire = bucket.wire();
    const int64_t part = part_of(bucket.size(), size()), bytes = part * size_of(wire);
    reserve(2 * size() * bytes, caller);
    char *const sent = buffer_, *const received = sent + size() * bytes, *const own = sent + rank() * bytes;
    pack_cuda(sent, wire, bucket, caller);
    behind(caller, "ncclAllGather", [&](const NcclLibrary& nccl) {
      const ncclResult_t exchanged = in_group("ncclSend, ncclRecv", 2 * size(), [&](size_t i, ncclComm_t ranks) {
        const int r = static_cast<int>(i / 2);
        return i % 2 == 0 ? nccl.send(sent + r * bytes, bytes, ncclUint8, r, ranks, stream_)
                          : nccl.recv(received + r * bytes, bytes, ncclUint8, r, ranks, stream_);
      });
      nccl.check(exchanged, "ncclGroupEnd");
      link_.settle("ncclGroupEnd");
      sum_cuda(own, received, wire, part, size(), part, divisor, stream_);
      return nccl.all_gather(own, sent, bytes, ncclUint8, link_.communicator(), stream_);
    });
    unpack_cuda(sent, wire, bucket, 1.0f, caller);
  }

  // The result of `count` calls as one group. It is closed whatever they find, because an open one would swallow what
  // this thread calls later. Nothing in it waits: the communicator is asked for once.
  template <class Call>
  ncclResult_t in_group(const char* what, size_t count, Call&& call) {
    const NcclLibrary& nccl = link_.library();
    const ncclComm_t ranks = link_.communicator();
    nccl.check(nccl.group_start(), "ncclGroupStart");
    ncclResult_t found = ncclSuccess;
    for (size_t i = 0; i < count && (found == ncclSuccess || found == ncclInProgress); ++i) found = call(i, ranks);
    const ncclResult_t ended = nccl.group_end();
    nccl.check(found, what);
    return ended;
  }

  // Queues `work` on the own stream behind what the caller's holds, and the caller's behind the work.
  template <class Work>
  void behind(cudaStream_t caller, const char* what, Work&& work) {
    check(cudaEventRecord(given_, caller), "cudaEventRecord");
    check(cudaStreamWaitEvent(stream_, given_), "cudaStreamWaitEvent");
    link_.library().check(work(link_.library()), what);
    link_.settle(what);
    check(cudaEventRecord(done_, stream_), "cudaEventRecord");
    check(cudaStreamWaitEvent(caller, done_), "cudaStreamWaitEvent");
  }

  // The buffer, behind its last use. cudaFree waits until nobody uses the old one. What no piece covers is summed too,
  // whatever an earlier call left there; nobody reads those sums. It begins as zeros, because it is read before all was
  // written.
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
  Stream stream_;
  Event given_, done_, free_;
  NcclLink link_;
  char* buffer_ = nullptr;
  int64_t reserved_ = 0;  // bytes
  StreamClock clock_;
  bool muted_ = false;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl(const std::string& path, Communicator* bootstrap, double timeout) {
  return std::make_unique<Nccl>(path, bootstrap, timeout);
}

}  // namespace lambda_fast
