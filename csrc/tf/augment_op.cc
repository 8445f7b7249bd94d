// LambdaFast>Augment for eager, graph and tf.data: its definition, shape function and kernels.
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "core/augment/augment.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/bridge.h"
#include "xla/stream_executor/stream.h"

namespace lambda_fast {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Declares one attribute for each field of the spec, with the field's default.
class DeclareAttributes {
 public:
  explicit DeclareAttributes(tensorflow::register_op::OpDefBuilderWrapper* op) : op_(op) {}

  void operator()(const char* name, int32_t field) const { declare(name, "int", field); }
  void operator()(const char* name, bool field) const { declare(name, "bool", field ? "true" : "false"); }
  void operator()(const char* name, float field) const { declare(name, "float", number(field)); }
  void operator()(const char* name, const Range& field) const {
    declare(name, "list(float)", "[" + number(field.low) + ", " + number(field.high) + "]");
  }
  void operator()(const char* name, const float (&field)[3]) const {
    declare(name, "list(float)", "[" + number(field[0]) + ", " + number(field[1]) + ", " + number(field[2]) + "]");
  }
  template <class Enum>
  void operator()(const char* name, Enum field) const {
    declare(name, "string", std::string("'") + name_of(field) + "'");
  }

 private:
  static std::string number(float value) {
    std::ostringstream text;
    text.precision(9);
    text << value;
    return text.str();
  }
  template <class Default>
  void declare(const char* name, const char* type, const Default& value) const {
    std::ostringstream text;
    text << name << ": " << type << " = " << value;
    op_->Attr(text.str());
  }

  tensorflow::register_op::OpDefBuilderWrapper* op_;
};

absl::Status infer_shape(InferenceContext* c) {
  ShapeHandle images, ids, scalar;
  const auto check_rank = [&](int index, int rank, const char* expected, ShapeHandle* out) -> absl::Status {
    if (c->WithRank(c->input(index), rank, out).ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(std::string("[augment] expected ") + expected + "; found shape " +
                                      c->DebugString(c->input(index)));
  };
  TF_RETURN_IF_ERROR(check_rank(0, 4, "images uint8[batch, height, width, channels]", &images));
  TF_RETURN_IF_ERROR(check_rank(1, 1, "sample_ids int64[batch]", &ids));
  TF_RETURN_IF_ERROR(check_rank(2, 0, "a scalar seed int64[]", &scalar));
  TF_RETURN_IF_ERROR(check_rank(3, 0, "a scalar epoch int64[]", &scalar));
  DimensionHandle count;
  if (!c->Merge(c->Dim(images, 0), c->Dim(ids, 0), &count).ok()) {
    return absl::InvalidArgumentError("[augment] expected one sample id for each image; found images " +
                                      c->DebugString(images) + " and sample_ids " + c->DebugString(ids));
  }
  return guarded([&] {
    const AugmentSpec spec = spec_from(c);
    DimensionHandle height = c->Dim(images, 1), width = c->Dim(images, 2);
    const DimensionHandle channels = c->Dim(images, 3);
    // What is unknown is taken as something that fits, so that what is known is checked by itself.
    const auto known = [&](DimensionHandle dimension, int64_t fitting) {
      return c->ValueKnown(dimension) ? c->Value(dimension) : fitting;
    };
    make_plan(spec, check_operands({0, known(height, std::max(1, spec.height)), known(width, std::max(1, spec.width)),
                                    known(channels, 3)},
                                   {0}, {}, {}));
    if (spec.height > 0) height = c->MakeDim(spec.height);
    if (spec.width > 0) width = c->MakeDim(spec.width);
    c->set_output(0, c->MakeShape({count, height, width, channels}));
  });
}

tensorflow::register_op::OpDefBuilderWrapper define_augment() {
  tensorflow::register_op::OpDefBuilderWrapper op("LambdaFast>Augment");
  op.Input("images: uint8").Input("sample_ids: int64").Input("seed: int64").Input("epoch: int64");
  op.Output("output: T").Attr("T: {float, bfloat16} = DT_FLOAT");
  const AugmentSpec defaults;
  visit_fields(defaults, DeclareAttributes(&op));
  op.SetShapeFn(infer_shape);
  return op;
}

const auto kRegistered = tensorflow::InitOnStartupMarker{} << define_augment();

absl::Status run(OpKernelContext* c, const AugmentSpec& spec, decltype(augment_cpu)* augment, const Context& context) {
  const Tensor &images = c->input(0), &ids = c->input(1), &seed = c->input(2), &epoch = c->input(3);
  ImageShape shape;
  AugmentPlan plan;
  TF_RETURN_IF_ERROR(guarded([&] {
    shape = check_operands(extents(images), extents(ids), extents(seed), extents(epoch));
    plan = make_plan(spec, shape);
  }));
  Tensor* output = nullptr;
  TF_RETURN_IF_ERROR(c->allocate_output(
      0, TensorShape({images.dim_size(0), plan.output.height, plan.output.width, plan.output.channels}), &output));
  return guarded([&] {
    augment({output->data(), float_type(*output)},
            {images.flat<uint8_t>().data(), static_cast<const int64_t*>(ids.data()), images.dim_size(0), shape},
            {static_cast<const int64_t*>(seed.data()), static_cast<const int64_t*>(epoch.data())}, plan, context);
  });
}

class AugmentOp : public tensorflow::OpKernel {
 public:
  explicit AugmentOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, guarded([&] {
                     spec_ = spec_from(c);
                     check_spec(spec_);
                   }));
  }

 protected:
  AugmentSpec spec_;
};

class AugmentCpuOp : public AugmentOp {
 public:
  using AugmentOp::AugmentOp;
  void Compute(OpKernelContext* c) override {
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, run(c, spec_, augment_cpu, {&executor, nullptr}));
  }
};

class AugmentGpuOp : public AugmentOp {
 public:
  using AugmentOp::AugmentOp;
  void Compute(OpKernelContext* c) override {
    void* stream = c->op_device_context()->stream()->platform_specific_handle().stream;
    OP_REQUIRES_OK(c, run(c, spec_, augment_cuda, {nullptr, stream}));
  }
};

REGISTER_KERNEL_BUILDER(Name("LambdaFast>Augment").Device(tensorflow::DEVICE_CPU), AugmentCpuOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Augment").Device(tensorflow::DEVICE_GPU), AugmentGpuOp);

}  // namespace
}  // namespace lambda_fast
