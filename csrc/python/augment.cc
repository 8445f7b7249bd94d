// The augmenter for numpy, and its dice for whoever wants to replay them.
#include "core/augment/augment.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/permutation.h"
#include "core/base/thread_pool.h"
#include "python/module.h"

namespace py = pybind11;

namespace lambda_fast {
namespace {

// A visitor that fills a spec from keyword arguments; what is absent keeps its default, what is unknown is an error.
class FromKeywords {
 public:
  explicit FromKeywords(py::dict* left) : left_(left) {}

  void operator()(const char* name, int32_t& field) const {
    take(name, [&](py::handle v) { field = v.cast<int32_t>(); });
  }
  void operator()(const char* name, bool& field) const {
    take(name, [&](py::handle v) { field = v.cast<bool>(); });
  }
  void operator()(const char* name, float& field) const {
    take(name, [&](py::handle v) { field = v.cast<float>(); });
  }
  void operator()(const char* name, Range& field) const {
    take(name, [&](py::handle v) {
      const auto values = v.cast<std::array<float, 2>>();
      field = {values[0], values[1]};
    });
  }
  void operator()(const char* name, float (&field)[3]) const {
    take(name, [&](py::handle v) {
      const auto values = v.cast<std::array<float, 3>>();
      for (int c = 0; c < 3; ++c) field[c] = values[c];
    });
  }
  template <class Enum>
  void operator()(const char* name, Enum& field) const {
    take(name, [&](py::handle v) { parse_name(v.cast<std::string>(), &field); });
  }

 private:
  template <class Assign>
  void take(const char* name, Assign&& assign) const {
    if (!left_->contains(name)) return;
    const py::object value = left_->attr("pop")(name);
    try {
      assign(value);
    } catch (const py::cast_error&) {
      fail(ErrorKind::kInvalidArgument, "augment", "expected another type for '", name, "'; found ",
           std::string(py::str(py::repr(value))));
    }
  }

  py::dict* left_;
};

AugmentSpec spec_from(const py::dict& keywords) {
  AugmentSpec spec;
  py::dict left = keywords.attr("copy")();
  visit_fields(spec, FromKeywords(&left));
  require(left.empty(), "augment", "expected fields of the spec; found the unknown ",
          std::string(py::str(py::list(left))));
  return spec;
}

FloatType float_type(const std::string& dtype) {
  require(dtype == "float32" || dtype == "bfloat16", "augment", "expected dtype float32 or bfloat16; found ", dtype);
  return dtype == "float32" ? FloatType::kFloat32 : FloatType::kBFloat16;
}

using Images = py::array_t<uint8_t, py::array::c_style>;
using Ids = py::array_t<int64_t, py::array::c_style>;

// bfloat16 has no numpy type of its own: its bits come back as uint16.
py::array augment(const Images& images, const Ids& ids, int64_t seed, int64_t epoch, const py::dict& fields,
                  const std::string& dtype, int threads) {
  const auto extents = [](const py::array& array) {
    return std::vector<int64_t>(array.shape(), array.shape() + array.ndim());
  };
  const ImageShape shape = check_operands(extents(images), extents(ids), {}, {});
  require(threads >= 1, "augment", "expected at least 1 thread; found ", threads);
  const AugmentPlan plan = make_plan(spec_from(fields), shape);
  const FloatType type = float_type(dtype);
  py::array output(type == FloatType::kFloat32 ? py::dtype::of<float>() : py::dtype::of<uint16_t>(),
                   {static_cast<py::ssize_t>(images.shape(0)), static_cast<py::ssize_t>(plan.output.height),
                    static_cast<py::ssize_t>(plan.output.width), static_cast<py::ssize_t>(plan.output.channels)});
  const FloatBatchView out{output.mutable_data(), type};
  const ImageBatchView in{images.data(), ids.data(), images.shape(0), shape};
  {
    const py::gil_scoped_release release;
    ThreadPool pool(threads);
    augment_cpu(out, in, {&seed, &epoch}, plan, {&pool, nullptr});
  }
  return output;
}

// Pointers of another library's device arrays (CuPy, PyTorch), for tests and timings on a GPU.
void augment_device(std::uintptr_t output, std::uintptr_t images, std::uintptr_t ids, std::uintptr_t seed,
                    std::uintptr_t epoch, std::array<int64_t, 4> shape, const py::dict& fields,
                    const std::string& dtype, std::uintptr_t stream) {
  const ImageShape image{static_cast<int32_t>(shape[1]), static_cast<int32_t>(shape[2]),
                         static_cast<int32_t>(shape[3])};
  augment_cuda({reinterpret_cast<void*>(output), float_type(dtype)},
               {reinterpret_cast<const uint8_t*>(images), reinterpret_cast<const int64_t*>(ids), shape[0], image},
               {reinterpret_cast<const int64_t*>(seed), reinterpret_cast<const int64_t*>(epoch)},
               make_plan(spec_from(fields), image), {nullptr, reinterpret_cast<void*>(stream)});
}

py::dict window_dict(const Window& window) {
  using namespace py::literals;
  return py::dict("y"_a = window.y, "x"_a = window.x, "height"_a = window.height, "width"_a = window.width);
}

py::dict draw_dict(std::array<int32_t, 3> shape, int64_t sample_id, int64_t seed, int64_t epoch,
                   const py::dict& fields) {
  using namespace py::literals;
  const AugmentPlan plan = make_plan(spec_from(fields), {shape[0], shape[1], shape[2]});
  const SampleKey key{static_cast<uint64_t>(seed), static_cast<uint64_t>(sample_id), checked_epoch(epoch, "draw")};
  const Draw dice = draw(plan, key);
  py::list policy;
  for (int32_t i = 0; i < plan.policy.steps; ++i) {
    const PolicyStep step = draw_policy_step(plan.policy, key, i);
    policy.append(py::dict("op"_a = name_of(step.op), "level"_a = step.level, "negative"_a = step.negative));
  }
  return py::dict("window"_a = window_dict(dice.geometry.window), "flip"_a = dice.geometry.flip,
                  "cutout"_a = window_dict(dice.geometry.cutout), "brightness"_a = dice.colour.brightness,
                  "contrast"_a = dice.colour.contrast, "saturation"_a = dice.colour.saturation, "policy"_a = policy);
}

using Sizes = py::array_t<int32_t, py::array::c_style>;

// The windows of `draw` for images of any size, which need not be decoded yet: y, x, height, width of each.
py::array crop_windows(const Sizes& sizes, const Ids& ids, int64_t seed, int64_t epoch, const py::dict& fields) {
  require(ids.ndim() == 1 && sizes.ndim() == 2 && sizes.shape(0) == ids.shape(0) && sizes.shape(1) == 2, "crop_windows",
          "expected sizes int32[n, 2] and sample_ids int64[n]");
  const AugmentSpec spec = spec_from(fields);
  const uint32_t key = checked_epoch(epoch, "crop_windows");
  Sizes windows({ids.shape(0), py::ssize_t{4}});
  for (py::ssize_t i = 0; i < ids.shape(0); ++i) {
    const AugmentPlan plan = make_plan(spec, {sizes.at(i, 0), sizes.at(i, 1), 3});
    const Window window =
        draw(plan, {static_cast<uint64_t>(seed), static_cast<uint64_t>(ids.at(i)), key}).geometry.window;
    int32_t* out = windows.mutable_data(i);
    out[0] = window.y, out[1] = window.x, out[2] = window.height, out[3] = window.width;
  }
  return windows;
}

}  // namespace

void add_augment(py::module_& module) {
  module.def("augment", augment, py::arg("images").noconvert(), py::arg("sample_ids"), py::arg("seed"),
             py::arg("epoch"), py::arg("fields"), py::arg("dtype"), py::arg("threads"),
             "Augments uint8[n, h, w, c] to float32 or to the bits of bfloat16 (uint16).");
  module.def("augment_device", augment_device, py::arg("output"), py::arg("images"), py::arg("sample_ids"),
             py::arg("seed"), py::arg("epoch"), py::arg("shape"), py::arg("fields"), py::arg("dtype"),
             py::arg("stream"), "augment on device pointers, queued on a CUDA stream.");
  module.def("draw", draw_dict, py::arg("shape"), py::arg("sample_id"), py::arg("seed"), py::arg("epoch"),
             py::arg("fields"),
             "The dice of one sample: window, flip, cutout, brightness, contrast, saturation, policy.");
  module.def("crop_windows", crop_windows, py::arg("sizes"), py::arg("sample_ids"), py::arg("seed"), py::arg("epoch"),
             py::arg("fields"), "The windows that draw chooses in images of sizes int32[n, 2]: int32[n, 4].");
}

}  // namespace lambda_fast
