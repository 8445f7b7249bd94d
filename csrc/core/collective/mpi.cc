// Ranks that mpiexec or srun started: through shared memory on one machine, through MPI between machines.
//
// Calls may come from any thread, one at a time: XLA runs the step's call on a thread of its own.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

#include "core/base/error.h"
#include "core/collective/communicator.h"
#include "core/collective/mpi_library.h"
#include "core/collective/mpi_same_call.h"
#include "core/collective/node_memory.h"

namespace lambda_fast {
namespace {

constexpr int64_t kMostValues = 1 << 28;  // of one MPI call, whose count is an int

class Mpi : public Communicator {
 public:
  explicit Mpi(const std::string& path) : mpi_(path) {
    int running = 0, provided = 0;
    mpi_.check(mpi_.initialized(&running), "MPI_Initialized");
    if (!running) {
      mpi_.check(mpi_.init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
      require(provided >= MPI_THREAD_SERIALIZED, "mpi", "expected an MPI that may be called from any thread, found ",
              path);
    }
    mpi_.check(mpi_.comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    mpi_.check(mpi_.comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    mpi_.check(mpi_.comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    if (size_ > 1) share_memory();
  }
  ~Mpi() override { mpi_.finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string name() const override { return node_ ? "shared memory" : "MPI"; }

  void all_reduce(const Bucket& bucket, Reduction reduction, const Context&) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (muted_) return bucket.keep();
    const auto begin = std::chrono::steady_clock::now();
    if (node_) {
      node_->all_reduce(bucket, reduction);
    } else {
      through_mpi(bucket, reduction);
    }
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  double seconds() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return seconds_;
  }

  void mute(bool muted) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    muted_ = muted;
  }

  void broadcast(const std::vector<Bytes>& parts, int root, const Context&) override {
    require(0 <= root && root < size_, "broadcast", "expected a root within a world of ", size_, ", found ", root);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (node_) return node_->broadcast(parts, root);
    require_same(mpi_, MpiCall(parts, root), "broadcast", size_);
    for (const Bytes& part : parts) {
      if (rank_ == root && part.input != part.output) std::memcpy(part.output, part.input, part.size);
      for (int64_t begin = 0; begin < part.size; begin += kMostValues) {
        const auto count = static_cast<int>(std::min(kMostValues, part.size - begin));
        mpi_.check(mpi_.bcast(static_cast<char*>(part.output) + begin, count, MPI_BYTE, root, MPI_COMM_WORLD),
                   "MPI_Bcast");
      }
    }
  }

  void barrier() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (node_) return node_->barrier();
    require_same(mpi_, MpiCall(Operation::kBarrier), "barrier", size_);  // which all of them must come to
  }

  void abort() override {
    if (node_) {
      node_->abort();
    } else {
      mpi_.abort(MPI_COMM_WORLD, 1);
    }
  }

  bool ended() const override { return node_ && node_->ended(); }

 private:
  void through_mpi(const Bucket& bucket, Reduction reduction) {
    const bool mean = reduction == Reduction::kMean;
    require_same(mpi_, MpiCall(mean ? Operation::kMean : Operation::kSum, bucket), "all_reduce", size_);
    const ValueType wire = bucket.wire();
    const float divisor = mean ? static_cast<float>(size_) : 1.0f;
    with_type(wire, [&](auto type) { reduce<decltype(type)>(bucket, wire, divisor); });
  }

  // Rank r gets everybody's r-th part of a round and sums it in the order of the ranks; then all get all parts. As
  // much travels as with MPI_Allreduce, and the bits are those of node_memory, which an MPI does not promise.
  template <class Wire>
  void reduce(const Bucket& bucket, ValueType wire, float divisor) {
    constexpr int64_t kRoundValues = 1 << 22;
    for (int64_t from = 0; from < bucket.size(); from += kRoundValues) {
      const int64_t to = std::min(bucket.size(), from + kRoundValues), part = part_of(to - from, size_);
      const auto count = static_cast<int>(part * sizeof(Wire));
      sent_.resize(static_cast<size_t>(count) * size_);
      received_.resize(sent_.size());
      bucket.pack(sent_.data(), from, to, wire);
      mpi_.check(mpi_.all_to_all(sent_.data(), count, MPI_BYTE, received_.data(), count, MPI_BYTE, MPI_COMM_WORLD),
                 "MPI_Alltoall");
      sum_in_order(reinterpret_cast<Wire*>(sent_.data()) + rank_ * part, reinterpret_cast<Wire*>(received_.data()),
                   part, size_, part, divisor);
      mpi_.check(mpi_.all_gather(MPI_IN_PLACE, 0, MPI_BYTE, sent_.data(), count, MPI_BYTE, MPI_COMM_WORLD),
                 "MPI_Allgather");
      bucket.unpack(sent_.data(), from, to, wire);
    }
  }

  // Where all ranks are on one machine: rank 0 makes the memory, the others open it by rank 0's process and file
  // number. Nothing has a name, so nothing is left behind. Where it cannot be opened, all ranks use MPI.
  void share_memory() {
    MPI_Comm node;
    int ranks_here = 0;
    mpi_.check(mpi_.comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
               "MPI_Comm_split_type");
    mpi_.check(mpi_.comm_size(node, &ranks_here), "MPI_Comm_size");
    int alone_here = ranks_here == size_, together = 0;
    mpi_.check(mpi_.all_reduce(&alone_here, &together, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "MPI_Allreduce");
    if (!together) return;
    int address[2] = {static_cast<int>(getpid()), rank_ == 0 ? NodeMemory::create(size_) : -1};
    const int made = address[1];
    mpi_.check(mpi_.bcast(address, 2, MPI_INT, 0, MPI_COMM_WORLD), "MPI_Bcast");
    const std::string path = "/proc/" + std::to_string(address[0]) + "/fd/" + std::to_string(address[1]);
    const int file = rank_ == 0 ? made : open(path.c_str(), O_RDWR | O_CLOEXEC);
    int opened = file >= 0, all_opened = 0;
    mpi_.check(mpi_.all_reduce(&opened, &all_opened, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "MPI_Allreduce");
    if (all_opened) node_ = std::make_unique<NodeMemory>(file, rank_, size_);
    if (file >= 0) close(file);
  }

  const MpiLibrary mpi_;
  int rank_ = 0, size_ = 1;
  std::unique_ptr<NodeMemory> node_;
  std::vector<char> sent_, received_;
  double seconds_ = 0.0;
  bool muted_ = false;
  std::mutex mutex_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi(const std::string& path) { return std::make_unique<Mpi>(path); }

}  // namespace lambda_fast
