// The world of ranks, for Python: joining it, and its collectives on numpy arrays.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/error.h"
#include "core/collective/communicator.h"
#include "python/module.h"

namespace py = pybind11;

namespace lambda_fast {
namespace {

// bfloat16 has no numpy type of its own: uint16 stands for it, as in `augment`.
ValueType value_type(const py::array& array) {
  if (array.dtype().is(py::dtype::of<float>())) return ValueType::kFloat32;
  if (array.dtype().is(py::dtype::of<uint16_t>())) return ValueType::kBFloat16;
  require(array.dtype().kind() == 'f' && array.itemsize() == 2, "all_reduce",
          "expected float32, float16, or uint16 that holds bfloat16; found another type");
  return ValueType::kFloat16;
}

ValueType value_type(const std::string& dtype) {
  if (dtype == "float32") return ValueType::kFloat32;
  require(dtype == "bfloat16" || dtype == "float16", "all_reduce", "expected float32, bfloat16 or float16; found ",
          dtype);
  return dtype == "bfloat16" ? ValueType::kBFloat16 : ValueType::kFloat16;
}

void require_dense(const py::array& array, const char* where) {
  require((array.flags() & py::array::c_style) != 0 && array.writeable(), where,
          "expected dense arrays that may be written");
}

}  // namespace

void add_collective(py::module_& module) {
  module.def(
      "join_world",
      [](const std::string& mpi, const std::string& nccl, double timeout) {
        const py::gil_scoped_release release;
        auto joined = mpi.empty() ? make_solo() : make_mpi(mpi);
        std::unique_ptr<Communicator> gpu;
        try {
          gpu = nccl.empty() ? make_solo() : make_nccl(nccl, joined.get(), timeout);
        } catch (const std::exception& error) {
          if (joined->size() == 1) throw;
          std::cerr << error.what() << std::endl;  // MPI's abort ends this process here
          joined->abort();                         // the others wait for this rank
          throw;
        }
        set_world(std::move(joined), std::move(gpu));
      },
      py::arg("mpi"), py::arg("nccl") = "", py::arg("timeout") = 60.0,
      "Joins the ranks that mpiexec or srun started, through the MPI library at the path; and NCCL's, for GPUs, whose "
      "start and end fail after `timeout` seconds each.");
  module.def(
      "leave_world",
      [] {
        const py::gil_scoped_release release;
        set_world(make_solo(), make_solo());
      },
      "Back to a world of one. All ranks must call it.");
  module.def(
      "world",
      [] {
        py::dict info;
        info["rank"] = world().rank();
        info["ranks"] = world().size();
        info["through"] = world().name();
        info["gpu_through"] = gpu_world().name();
        return info;
      },
      "rank, ranks, and what carries their collectives.");
  module.def(
      "all_reduce",
      [](const std::vector<py::array>& arrays, bool mean) {
        std::vector<Piece> pieces;
        for (const py::array& array : arrays) {
          require_dense(array, "all_reduce");
          void* const data = const_cast<void*>(array.data());
          pieces.push_back({data, data, array.size(), value_type(array)});
        }
        const py::gil_scoped_release release;
        world().all_reduce(Bucket(std::move(pieces)), mean ? Reduction::kMean : Reduction::kSum, {});
      },
      py::arg("arrays"), py::arg("mean") = true, "Replaces each array by its sum or mean over all ranks.");
  module.def(
      "all_reduce_device",
      [](const std::vector<std::tuple<uintptr_t, int64_t, std::string>>& arrays, bool mean, uintptr_t stream) {
        std::vector<Piece> pieces;
        for (const auto& [address, count, dtype] : arrays) {
          void* const data = reinterpret_cast<void*>(address);
          pieces.push_back({data, data, count, value_type(dtype)});
        }
        const py::gil_scoped_release release;
        gpu_world().all_reduce(Bucket(std::move(pieces)), mean ? Reduction::kMean : Reduction::kSum,
                               {nullptr, reinterpret_cast<void*>(stream)});
      },
      py::arg("arrays"), py::arg("mean"), py::arg("stream"),
      "As all_reduce, for arrays on a GPU: (address, count, dtype) each; queued on the stream.");
  module.def(
      "broadcast",
      [](const std::vector<py::array>& arrays, int root) {
        std::vector<Bytes> parts;
        for (const py::array& array : arrays) {
          require_dense(array, "broadcast");
          void* const data = const_cast<void*>(array.data());
          parts.push_back({data, data, array.nbytes()});
        }
        const py::gil_scoped_release release;
        world().broadcast(parts, root, {});
      },
      py::arg("arrays"), py::arg("root") = 0, "Replaces each array by the root's.");
  module.def(
      "barrier",
      [] {
        const py::gil_scoped_release release;
        world().barrier();
      },
      "Returns when every rank has called it.");
  module.def(
      "collective_seconds",
      [] {
        const py::gil_scoped_release release;
        return (gpu_world().size() > 1 ? gpu_world() : world()).seconds();
      },
      "Seconds that sums over ranks have taken so far, waiting for other ranks included; of GPUs where they are.");
  module.def(
      "mute_collectives",
      [](bool muted) {
        const py::gil_scoped_release release;
        world().mute(muted);
        gpu_world().mute(muted);
      },
      py::arg("muted"),
      "While muted, sums over ranks leave each rank its own values: to measure what a step takes without them. All "
      "ranks, between the same two sums.");
  module.def(
      "abort_world",
      [] {
        const py::gil_scoped_release release;
        gpu_world().abort();
        world().abort();
      },
      "From any thread: pending and later collectives of all ranks fail.");
}

}  // namespace lambda_fast
