// Communicator: what the ranks of a run do together. All of them call the same things in the same order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/context.h"
#include "core/collective/bucket.h"

namespace lambda_fast {

enum class Reduction { kSum, kMean };

// What a broadcast moves: the root's input to every rank's output (which may be the same place).
struct Bytes {
  const void* input;
  void* output;
  int64_t size;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string name() const = 0;

  // Each piece's output becomes the sum or mean of that piece over all ranks: the same bits on every rank and in every
  // run. On a GPU the work is queued on context.stream.
  virtual void all_reduce(const Bucket& bucket, Reduction reduction, const Context& context) = 0;

  // Every rank's outputs become the root's inputs.
  virtual void broadcast(const std::vector<Bytes>& parts, int root, const Context& context) = 0;

  // Returns when every rank has come here.
  virtual void barrier() = 0;

  // Seconds that all_reduce has taken so far, waiting for other ranks included. On a GPU: of its stream's time, and of
  // the calls that are done.
  virtual double seconds() = 0;

  // While muted, all_reduce leaves each rank its own values and nothing travels: what a step takes without it can be
  // measured. Between the same two calls on all ranks.
  virtual void mute(bool muted) = 0;

  // From any thread: every rank's pending and later calls fail with an Error as soon as it looks.
  virtual void abort() = 0;

  // Whether some rank has aborted.
  virtual bool ended() const = 0;
};

std::unique_ptr<Communicator> make_solo();

// Joins the world that mpiexec or srun made, through the MPI library (standard ABI) at `path`.
std::unique_ptr<Communicator> make_mpi(const std::string& path);

// The same ranks on their GPUs, through the NCCL library at `path`; `bootstrap` hands NCCL's id to all.
// NCCL's start and its end fail after `timeout` seconds each; calls in between wait until the run ends.
std::unique_ptr<Communicator> make_nccl(const std::string& path, Communicator* bootstrap, double timeout);

// The one world of this process: solo until another is set. Work on a GPU goes through gpu_world.
Communicator& world();
Communicator& gpu_world();
void set_world(std::unique_ptr<Communicator> world, std::unique_ptr<Communicator> gpu);

}  // namespace lambda_fast
