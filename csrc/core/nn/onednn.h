// oneDNN as a library of single-threaded kernels, each compiled once for a shape.
//
// Threads: oneDNN's own are OpenMP's, a second pool that would fight XLA's or TensorFlow's for the cores. So its
// primitives are compiled for one thread and called from the pool that runs the step, many at a time; `OneThread` keeps
// OpenMP out of them. Each thread brings its own scratchpad, because oneDNN's lies with the primitive and is not safe
// to share.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

namespace lambda_fast {

// While it lives, OpenMP starts no threads for the calling thread.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// oneDNN's one CPU engine.
dnnl::engine& cpu_engine();

// Attributes of every primitive here: the caller brings the scratchpad.
dnnl::primitive_attr with_own_scratchpad();

// A compiled primitive and what its arguments are.
class Primitive {
 public:
  using Arguments = std::vector<std::pair<int, dnnl::memory::desc>>;  // DNNL_ARG_... and layout

  Primitive(const dnnl::primitive& primitive, Arguments arguments, const dnnl::memory::desc& scratchpad);

  // Runs on the calling thread. `addresses` are in the order of the arguments.
  void run(std::initializer_list<void*> addresses) const;

 private:
  dnnl::primitive primitive_;
  Arguments arguments_;
  dnnl::memory::desc scratchpad_;
  int64_t id_;
};

}  // namespace lambda_fast
