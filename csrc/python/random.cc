// Philox and the epoch's order, for Python.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>

#include "core/base/permutation.h"
#include "core/base/philox.h"
#include "python/module.h"

namespace py = pybind11;

namespace lambda_fast {

void add_random(py::module_& module) {
  module.def(
      "philox",
      [](std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
        const PhiloxBlock block = philox({{counter[0], counter[1], counter[2], counter[3]}}, key[0], key[1]);
        return py::make_tuple(block.word[0], block.word[1], block.word[2], block.word[3]);
      },
      py::arg("counter"), py::arg("key"), "One block of Philox-4x32-10.");

  module.def(
      "sample_order",
      [](int64_t seed, int64_t epoch, int64_t size, int64_t begin, int64_t count) {
        require(0 <= count && count <= size, "sample_order", "expected a count within [0, ", size, "]; found ", count);
        const uint32_t key = checked_epoch(epoch, "sample_order");
        py::array_t<int64_t> ids(count);
        int64_t* out = ids.mutable_data();
        {
          const py::gil_scoped_release release;
          sample_order(out, static_cast<uint64_t>(seed), key, size, begin, count);
        }
        return ids;
      },
      py::arg("seed"), py::arg("epoch"), py::arg("size"), py::arg("begin"), py::arg("count"),
      "The sample ids at positions [begin, begin + count) of an epoch's order: int64[count].");
}

}  // namespace lambda_fast
