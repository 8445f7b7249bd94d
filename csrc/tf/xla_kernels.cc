// Our ops inside XLA programs: each emits one typed-FFI custom call, whose handlers are registered here.
//
// The one file that includes tf2xla, which takes most of a minute to compile.
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/augment/spec.h"
#include "core/nn/batch_norm.h"
#include "core/nn/convolution.h"
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
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kConv2DTarget, "Host", lf_conv2d_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kConv2DBackpropInputTarget, "Host", lf_conv2d_backprop_input_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kConv2DBackpropInputAddTarget, "Host",
                         lf_conv2d_backprop_input_add_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kConv2DBackpropFilterTarget, "Host", lf_conv2d_backprop_filter_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kBatchNormTarget, "Host", lf_batch_norm_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kBatchNormInferenceTarget, "Host", lf_batch_norm_inference_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kBatchNormGradTarget, "Host", lf_batch_norm_grad_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kAllReduceTarget, "Host", lf_all_reduce_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kAllReduceTarget, "CUDA", lf_all_reduce_cuda);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kBroadcastTarget, "Host", lf_broadcast_host);
XLA_FFI_REGISTER_HANDLER(xla::ffi::GetXlaFfiApi(), kBroadcastTarget, "CUDA", lf_broadcast_cuda);

// Writes a spec as the MLIR dictionary in which a typed custom call carries its attributes.
class ToMlir {
 public:
  explicit ToMlir(std::string* text) : text_(text) {}

  // Nine digits bring a float back exactly.
  static std::string number(float value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.8e", static_cast<double>(value));
    return digits;
  }

  void operator()(const char* name, int32_t field) const { entry(name, std::to_string(field) + " : i32"); }
  void operator()(const char* name, bool field) const { entry(name, field ? "true" : "false"); }
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

// The operands of a custom call: all inputs of the op, row-major.
struct Operands {
  std::vector<xla::XlaOp> values;
  std::vector<xla::Shape> shapes;

  Operands(tensorflow::XlaOpKernelContext* c, const char* where) {
    for (int i = 0; i < c->num_inputs(); ++i) {
      const auto shape = c->InputXlaShape(i);
      require(shape.ok(), where, "expected a static shape for operand ", i,
              "; found: ", std::string(shape.status().message()));
      shapes.push_back(row_major(*shape));
      values.push_back(c->Input(i));
    }
  }
  std::vector<int64_t> extents(int i) const {
    const auto dimensions = shapes[i].dimensions();
    return {dimensions.begin(), dimensions.end()};
  }
  // Leaves out an operand of which only the shape was wanted.
  void drop(int i) {
    values.erase(values.begin() + i);
    shapes.erase(shapes.begin() + i);
  }
};

xla::XlaOp custom_call(tensorflow::XlaOpKernelContext* c, const char* target, const Operands& operands,
                       const xla::Shape& result, const std::string& attributes, bool has_side_effect = false) {
  return xla::CustomCallWithLayout(c->builder(), target, operands.values, result, operands.shapes, attributes,
                                   has_side_effect, /*output_operand_aliasing=*/{}, /*literal=*/nullptr,
                                   xla::CustomCallSchedule::SCHEDULE_NONE,
                                   xla::CustomCallApiVersion::API_VERSION_TYPED_FFI);
}

class AugmentXlaOp : public tensorflow::XlaOpKernel {
 public:
  explicit AugmentXlaOp(tensorflow::OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, guarded([&] { spec_ = spec_from(c); }));
  }

  void Compile(tensorflow::XlaOpKernelContext* c) override {
    OP_REQUIRES_OK(c, guarded([&] {
                     const Operands in(c, "augment");
                     const AugmentPlan plan =
                         make_plan(spec_, check_operands(in.extents(0), in.extents(1), in.extents(2), in.extents(3)));
                     const bool wide = c->expected_output_dtype(0) == tensorflow::DT_FLOAT;
                     const xla::Shape output = xla::ShapeUtil::MakeShapeWithDescendingLayout(
                         wide ? xla::F32 : xla::BF16,
                         {in.extents(0)[0], plan.output.height, plan.output.width, plan.output.channels});
                     c->SetOutput(0, custom_call(c, kAugmentTarget, in, output, mlir_dictionary(spec_)));
                   }));
  }

 private:
  AugmentSpec spec_;
};

// Strides and padding, for the shapes and as the handlers read them.
class ConvolutionXlaOp : public tensorflow::XlaOpKernel {
 public:
  explicit ConvolutionXlaOp(tensorflow::OpKernelConstruction* c) : XlaOpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(c, c->GetAttr("padding", &padding_));
  }

 protected:
  ConvolutionShape shape_of(const Operands& in) const {
    return check_convolution(in.extents(0), in.extents(1), {strides_.begin(), strides_.end()},
                             {padding_.begin(), padding_.end()});
  }
  std::string attributes() const {
    return "{strides = array<i64: " + list(strides_) + ">, padding = array<i64: " + list(padding_) + ">}";
  }

 private:
  static std::string list(const std::vector<int32_t>& values) {
    std::string text;
    for (const int32_t value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
    return text;
  }

  std::vector<int32_t> strides_, padding_;
};

class Conv2DXlaOp : public ConvolutionXlaOp {
 public:
  using ConvolutionXlaOp::ConvolutionXlaOp;
  void Compile(tensorflow::XlaOpKernelContext* c) override {
    OP_REQUIRES_OK(c, guarded([&] {
                     const Operands in(c, "conv2d");
                     const xla::Shape output = xla::ShapeUtil::MakeShapeWithDescendingLayout(
                         in.shapes[0].element_type(), output_extents(shape_of(in)));
                     c->SetOutput(0, custom_call(c, kConv2DTarget, in, output, attributes()));
                     if (num_outputs() == 2) c->SetOutput(1, c->Input(0));
                   }));
  }
};

// The gradient for input 0 or 1, which itself is no operand: its shape is the result's.
class Conv2DBackpropXlaOp : public ConvolutionXlaOp {
 public:
  Conv2DBackpropXlaOp(tensorflow::OpKernelConstruction* c, int wanted, const char* target)
      : ConvolutionXlaOp(c), wanted_(wanted), target_(target) {}
  void Compile(tensorflow::XlaOpKernelContext* c) override {
    OP_REQUIRES_OK(c, guarded([&] {
                     Operands in(c, "conv2d");
                     require(in.extents(2) == output_extents(shape_of(in)), "conv2d",
                             "expected an output gradient of the output's shape; found ", in.shapes[2].ToString());
                     require(in.shapes.size() == 3 || in.extents(3) == in.extents(0), "conv2d",
                             "expected an addend of the input's shape; found ", in.shapes.back().ToString());
                     const xla::Shape result = in.shapes[wanted_];
                     in.drop(wanted_);
                     c->SetOutput(0, custom_call(c, target_, in, result, attributes()));
                   }));
  }

 private:
  const int wanted_;
  const char* const target_;
};

class Conv2DBackpropInputXlaOp : public Conv2DBackpropXlaOp {
 public:
  explicit Conv2DBackpropInputXlaOp(tensorflow::OpKernelConstruction* c)
      : Conv2DBackpropXlaOp(c, 0, kConv2DBackpropInputTarget) {}
};

class Conv2DBackpropInputAddXlaOp : public Conv2DBackpropXlaOp {
 public:
  explicit Conv2DBackpropInputAddXlaOp(tensorflow::OpKernelConstruction* c)
      : Conv2DBackpropXlaOp(c, 0, kConv2DBackpropInputAddTarget) {}
};

class Conv2DBackpropFilterXlaOp : public Conv2DBackpropXlaOp {
 public:
  explicit Conv2DBackpropFilterXlaOp(tensorflow::OpKernelConstruction* c)
      : Conv2DBackpropXlaOp(c, 1, kConv2DBackpropFilterTarget) {}
};

class BatchNormXlaKernel : public tensorflow::XlaOpKernel {
 public:
  explicit BatchNormXlaKernel(tensorflow::OpKernelConstruction* c) : XlaOpKernel(c) {
    float epsilon;
    bool relu;
    OP_REQUIRES_OK(c, c->GetAttr("epsilon", &epsilon));
    OP_REQUIRES_OK(c, c->GetAttr("relu", &relu));
    attributes_ = "{epsilon = " + ToMlir::number(epsilon) + " : f32, relu = " + (relu ? "true" : "false") + "}";
  }

 protected:
  // Checks the operands, and sets the elements of the call's tuple as the op's outputs.
  void emit(tensorflow::XlaOpKernelContext* c, const char* target, int parameter,
            const std::function<std::vector<xla::Shape>(const Operands&)>& results) const {
    OP_REQUIRES_OK(c, guarded([&] {
                     const Operands in(c, "batch_norm");
                     check_batch_norm(in.extents(0), in.extents(parameter));
                     const std::vector<xla::Shape> shapes = results(in);
                     if (shapes.size() == 1) {
                       c->SetOutput(0, custom_call(c, target, in, shapes[0], attributes_));
                       return;
                     }
                     const xla::XlaOp all =
                         custom_call(c, target, in, xla::ShapeUtil::MakeTupleShape(shapes), attributes_);
                     for (size_t i = 0; i < shapes.size(); ++i) {
                       c->SetOutput(static_cast<int>(i), xla::GetTupleElement(all, static_cast<int64_t>(i)));
                     }
                   }));
  }

 private:
  std::string attributes_;
};

class BatchNormXlaOp : public BatchNormXlaKernel {
 public:
  using BatchNormXlaKernel::BatchNormXlaKernel;
  void Compile(tensorflow::XlaOpKernelContext* c) override {
    emit(c, kBatchNormTarget, 1,
         [](const Operands& in) { return std::vector<xla::Shape>{in.shapes[0], in.shapes[1], in.shapes[1]}; });
  }
};

class BatchNormInferenceXlaOp : public BatchNormXlaKernel {
 public:
  using BatchNormXlaKernel::BatchNormXlaKernel;
  void Compile(tensorflow::XlaOpKernelContext* c) override {
    emit(c, kBatchNormInferenceTarget, 1, [](const Operands& in) { return std::vector<xla::Shape>{in.shapes[0]}; });
  }
};

class BatchNormGradXlaOp : public BatchNormXlaKernel {
 public:
  using BatchNormXlaKernel::BatchNormXlaKernel;
  void Compile(tensorflow::XlaOpKernelContext* c) override {
    emit(c, kBatchNormGradTarget, 3, [&](const Operands& in) {
      std::vector<xla::Shape> results{in.shapes[0], in.shapes[3], in.shapes[3]};
      if (c->num_outputs() == 4) results.push_back(in.shapes[0]);
      return results;
    });
  }
};

// A collective: results like operands. Its side effect keeps XLA from dropping, merging or repeating the call, which
// the other ranks wait for.
class CollectiveXlaOp : public tensorflow::XlaOpKernel {
 public:
  CollectiveXlaOp(tensorflow::OpKernelConstruction* c, const char* target, std::string attributes)
      : XlaOpKernel(c), target_(target), attributes_(std::move(attributes)) {}
  void Compile(tensorflow::XlaOpKernelContext* c) override {
    OP_REQUIRES_OK(c, guarded([&] {
                     const Operands in(c, target_);
                     const xla::XlaOp all = custom_call(c, target_, in, xla::ShapeUtil::MakeTupleShape(in.shapes),
                                                        attributes_, /*has_side_effect=*/true);
                     for (int i = 0; i < c->num_inputs(); ++i) c->SetOutput(i, xla::GetTupleElement(all, i));
                   }));
  }

 protected:
  template <class Value>
  static Value attribute(tensorflow::OpKernelConstruction* c, const char* name) {
    Value value{};
    const absl::Status found = c->GetAttr(name, &value);
    if (!found.ok()) c->CtxFailure(found);
    return value;
  }

 private:
  const char* const target_;
  const std::string attributes_;
};

class AllReduceXlaOp : public CollectiveXlaOp {
 public:
  explicit AllReduceXlaOp(tensorflow::OpKernelConstruction* c)
      : CollectiveXlaOp(c, kAllReduceTarget,
                        std::string("{mean = ") + (attribute<bool>(c, "mean") ? "true" : "false") + "}") {}
};

class BroadcastXlaOp : public CollectiveXlaOp {
 public:
  explicit BroadcastXlaOp(tensorflow::OpKernelConstruction* c)
      : CollectiveXlaOp(c, kBroadcastTarget, "{root = " + std::to_string(attribute<int32_t>(c, "root")) + " : i32}") {}
};

// Plain kernels of XLA's compilation devices, not REGISTER_XLA_OP: its registry is read once, when TensorFlow starts
// its first device, and an op library that is loaded after the first op of a program would come too late.
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Augment").Device(tensorflow::DEVICE_CPU_XLA_JIT), AugmentXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Augment").Device(tensorflow::DEVICE_GPU_XLA_JIT), AugmentXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2D").Device(tensorflow::DEVICE_CPU_XLA_JIT), Conv2DXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DBackpropInput").Device(tensorflow::DEVICE_CPU_XLA_JIT),
                        Conv2DBackpropInputXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DBackpropInputAdd").Device(tensorflow::DEVICE_CPU_XLA_JIT),
                        Conv2DBackpropInputAddXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DAndInput").Device(tensorflow::DEVICE_CPU_XLA_JIT), Conv2DXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DBackpropFilter").Device(tensorflow::DEVICE_CPU_XLA_JIT),
                        Conv2DBackpropFilterXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>BatchNorm").Device(tensorflow::DEVICE_CPU_XLA_JIT), BatchNormXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>BatchNormInference").Device(tensorflow::DEVICE_CPU_XLA_JIT),
                        BatchNormInferenceXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>BatchNormGrad").Device(tensorflow::DEVICE_CPU_XLA_JIT), BatchNormGradXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>AllReduce").Device(tensorflow::DEVICE_CPU_XLA_JIT), AllReduceXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>AllReduce").Device(tensorflow::DEVICE_GPU_XLA_JIT), AllReduceXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Broadcast").Device(tensorflow::DEVICE_CPU_XLA_JIT), BroadcastXlaOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Broadcast").Device(tensorflow::DEVICE_GPU_XLA_JIT), BroadcastXlaOp);

}  // namespace
}  // namespace lambda_fast
