// Our ops inside XLA programs: each emits one typed-FFI custom call, whose handlers are registered here.
//
// The one file that includes tf2xla, which takes most of a minute to compile.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/augment/spec.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tf/bridge.h"
#include "xla/ffi/api/ffi.h"
#include "xla/handlers.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/shape_util.h"

// xla/ffi/ffi_api.h declares this too, but wants MLIR's headers.
namespace xla::ffi {
const XLA_FFI_Api* GetXlaFfiApi();
}

namespace lambda_fast {
namespace {

XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kAugmentTarget, "Host", lf_augment_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kAugmentTarget, "CUDA", lf_augment_cuda);

// Writes a spec as the MLIR dictionary in which a typed custom call carries its attributes.
class ToMlir {
 public:
  explicit ToMlir(std::string* text) : text_(text) {}

  void operator()(const char* name, int32_t field) const { entry(name, std::to_string(field) + " : i32"); }
  void operator()(const char* name, float field) const { entry(name, number(field) + " : f32"); }
  void operator()(const char* name, const Range& field) const {
    entry(name, "array<f32: " + number(field.low) + ", " + number(field.high) + ">");
  }
  void operator()(const char* name, const float (&field)[3]) const {
    entry(name, "array<f32: " + number(field[0]) + ", " + number(field[1]) + ", " + number(field[2]) + ">");
  }
  template <class Enum>
  void operator()(const char* name, Enum field) const {
    entry(name, std::string("\"") + name_of(field) + "\"");
  }

 private:
  // Nine digits bring a float back exactly.
  static std::string number(float value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.8e", static_cast<double>(value));
    return digits;
  }
  void entry(const char* name, const std::string& value) const {
    *text_ += (text_->empty() ? "" : ", ") + std::string(name) + " = " + value;
  }

  std::string* text_;
};

std::string mlir_dictionary(const AugmentSpec& spec) {
  std::string entries;
  visit_fields(spec, ToMlir(&entries));
  return "{" + entries + "}";
}

// Row-major, so that XLA hands NHWC over as it lies.
xla::Shape row_major(const xla::Shape& shape) {
  return xla::ShapeUtil::MakeShapeWithDescendingLayout(shape.element_type(), shape.dimensions());
}

class AugmentXlaOp : public tensorflow::XlaOpKernel {
 public:
  explicit AugmentXlaOp(tensorflow::OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, guarded([&] { spec_ = spec_from(c); }));
  }

  void Compile(tensorflow::XlaOpKernelContext* c) override {
    OP_REQUIRES_OK(c, guarded([&] { compile(c); }));
  }

 private:
  void compile(tensorflow::XlaOpKernelContext* c) {
    std::vector<xla::XlaOp> operands;
    std::vector<xla::Shape> layouts;
    for (int i = 0; i < c->num_inputs(); ++i) {
      const auto shape = c->InputXlaShape(i);
      require(shape.ok(), "augment", "expected a static shape for operand ", i,
              "; found: ", std::string(shape.status().message()));
      layouts.push_back(row_major(*shape));
      operands.push_back(c->Input(i));
    }
    const auto extents = [&](int i) {
      const auto dimensions = layouts[i].dimensions();
      return std::vector<int64_t>(dimensions.begin(), dimensions.end());
    };
    const AugmentPlan plan = make_plan(spec_, check_operands(extents(0), extents(1), extents(2), extents(3)));
    const bool wide = c->expected_output_dtype(0) == tensorflow::DT_FLOAT;
    const xla::Shape output = xla::ShapeUtil::MakeShapeWithDescendingLayout(
        wide ? xla::F32 : xla::BF16, {extents(0)[0], plan.output.height, plan.output.width, plan.output.channels});
    c->SetOutput(0, xla::CustomCallWithLayout(c->builder(), kAugmentTarget, operands, output, layouts,
                                              mlir_dictionary(spec_), /*has_side_effect=*/false,
                                              /*output_operand_aliasing=*/{}, /*literal=*/nullptr,
                                              xla::CustomCallSchedule::SCHEDULE_NONE,
                                              xla::CustomCallApiVersion::API_VERSION_TYPED_FFI));
  }

  AugmentSpec spec_;
};

// Plain kernels of XLA's compilation devices, not REGISTER_XLA_OP: its registry is read once, when TensorFlow starts
// its first device, and an op library that is loaded after the first op of a program would come too late.
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Augment").Device(tensorflow::DEVICE_CPU_XLA_JIT), AugmentXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Augment").Device(tensorflow::DEVICE_GPU_XLA_JIT), AugmentXlaOp);

}  // namespace
}  // namespace lambda_fast
