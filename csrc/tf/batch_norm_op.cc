// LambdaFast>BatchNorm, its inference and its gradient for TensorFlow: definitions, shapes, and kernels for the CPU.
#include <string>
#include <vector>

#include "core/nn/batch_norm.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tf/bridge.h"

namespace lambda_fast {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Merges the shapes of all inputs in [first, last), or says which differ.
absl::Status merge(InferenceContext* c, int first, int last, const char* expected, ShapeHandle* merged) {
  for (int i = first; i < last; ++i) {
    if (!c->Merge(*merged, c->input(i), merged).ok()) {
      return absl::InvalidArgumentError(std::string("[batch_norm] expected ") + expected + " of shape " +
                                        c->DebugString(*merged) + "; found " + c->DebugString(c->input(i)));
    }
  }
  return absl::OkStatus();
}

// Inputs: `images` tensors of one shape [..., channels], `parameters` tensors [channels], then residuals.
absl::Status infer(InferenceContext* c, int images, int parameters, ShapeHandle* image, ShapeHandle* parameter) {
  *image = c->input(0);
  TF_RETURN_IF_ERROR(merge(c, 1, images, "gradients and outputs", image));
  TF_RETURN_IF_ERROR(merge(c, images + parameters, c->num_inputs(), "a residual", image));
  const bool has_rank = c->RankKnown(*image);
  if (has_rank && c->Rank(*image) < 1) {
    return absl::InvalidArgumentError("[batch_norm] expected an input [..., channels]; found a scalar");
  }
  const DimensionHandle channels = has_rank ? c->Dim(*image, -1) : c->UnknownDim();
  *parameter = c->Vector(channels);
  TF_RETURN_IF_ERROR(merge(c, images, images + parameters, "parameters", parameter));
  if (has_rank) return c->ReplaceDim(*image, -1, c->Dim(*parameter, 0), image);
  return absl::OkStatus();
}

absl::Status check_residuals(int residuals) {
  if (residuals <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError("[batch_norm] expected at most one residual; found " + std::to_string(residuals));
}

absl::Status infer_forward(InferenceContext* c, int parameters, int statistics) {
  int residuals;
  TF_RETURN_IF_ERROR(c->GetAttr("residuals", &residuals));
  TF_RETURN_IF_ERROR(check_residuals(residuals));
  ShapeHandle image, parameter;
  TF_RETURN_IF_ERROR(infer(c, 1, parameters, &image, &parameter));
  c->set_output(0, image);
  for (int i = 1; i <= statistics; ++i) c->set_output(i, parameter);
  return absl::OkStatus();
}

absl::Status infer_backward(InferenceContext* c) {
  int residuals;
  TF_RETURN_IF_ERROR(c->GetAttr("residuals", &residuals));
  TF_RETURN_IF_ERROR(check_residuals(residuals));
  ShapeHandle image, parameter;
  TF_RETURN_IF_ERROR(infer(c, 3, 4, &image, &parameter));
  c->set_output(0, image);
  c->set_output(1, parameter);
  c->set_output(2, parameter);
  if (residuals == 1) c->set_output(3, image);
  return absl::OkStatus();
}

REGISTER_OP("LambdaFast>BatchNorm")
    .Input("input: T")
    .Input("scale: float")
    .Input("offset: float")
    .Input("residual: residuals * T")
    .Output("output: T")
    .Output("mean: float")
    .Output("variance: float")
    .Attr("T: {float, bfloat16}")
    .Attr("residuals: int >= 0")
    .Attr("epsilon: float")
    .Attr("relu: bool")
    .SetShapeFn([](InferenceContext* c) { return infer_forward(c, 2, 2); });

REGISTER_OP("LambdaFast>BatchNormInference")
    .Input("input: T")
    .Input("scale: float")
    .Input("offset: float")
    .Input("mean: float")
    .Input("variance: float")
    .Input("residual: residuals * T")
    .Output("output: T")
    .Attr("T: {float, bfloat16}")
    .Attr("residuals: int >= 0")
    .Attr("epsilon: float")
    .Attr("relu: bool")
    .SetShapeFn([](InferenceContext* c) { return infer_forward(c, 4, 0); });

// `residuals` as forward had them.
REGISTER_OP("LambdaFast>BatchNormGrad")
    .Input("output_gradient: T")
    .Input("input: T")
    .Input("output: T")
    .Input("scale: float")
    .Input("offset: float")
    .Input("mean: float")
    .Input("variance: float")
    .Output("input_gradient: T")
    .Output("scale_gradient: float")
    .Output("offset_gradient: float")
    .Output("residual_gradient: residuals * T")
    .Attr("T: {float, bfloat16}")
    .Attr("residuals: int >= 0")
    .Attr("epsilon: float")
    .Attr("relu: bool")
    .SetShapeFn(infer_backward);

class BatchNormKernel : public tensorflow::OpKernel {
 public:
  explicit BatchNormKernel(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("epsilon", &spec_.epsilon));
    OP_REQUIRES_OK(c, c->GetAttr("relu", &spec_.relu));
    OP_REQUIRES_OK(c, c->GetAttr("residuals", &residuals_));
    OP_REQUIRES_OK(c, check_residuals(residuals_));
  }

 protected:
  // Inputs [0, images) and those from `images + parameters` on are alike; those between are one value a channel.
  absl::Status check(OpKernelContext* c, int images, int parameters, BatchNormShape* shape) const {
    return guarded([&] {
      const Tensor& first = c->input(0);
      for (int i = 0; i < c->num_inputs(); ++i) {
        const Tensor& input = c->input(i);
        if (i >= images && i < images + parameters) {
          *shape = check_batch_norm(extents(first), extents(input));
        } else {
          require(input.shape() == first.shape(), "batch_norm", "expected images, residuals and gradients of shape ",
                  first.shape().DebugString(), "; found ", input.shape().DebugString());
        }
      }
    });
  }
  static const float* floats(OpKernelContext* c, int i) { return c->input(i).flat<float>().data(); }
  static float* floats(Tensor* output) { return output->flat<float>().data(); }

  BatchNormSpec spec_{};
  int residuals_;
};

class BatchNormOp : public BatchNormKernel {
 public:
  using BatchNormKernel::BatchNormKernel;
  void Compute(OpKernelContext* c) override {
    BatchNormShape shape;
    OP_REQUIRES_OK(c, check(c, 1, 2, &shape));
    Tensor *output = nullptr, *mean = nullptr, *variance = nullptr;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &output));
    OP_REQUIRES_OK(c, c->allocate_output(1, c->input(1).shape(), &mean));
    OP_REQUIRES_OK(c, c->allocate_output(2, c->input(1).shape(), &variance));
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, guarded([&] {
                     batch_norm(output->data(), floats(mean), floats(variance), c->input(0).data(), floats(c, 1),
                                floats(c, 2), residuals_ ? c->input(3).data() : nullptr, float_type(c->input(0)), shape,
                                spec_, {&executor, nullptr});
                   }));
  }
};

class BatchNormInferenceOp : public BatchNormKernel {
 public:
  using BatchNormKernel::BatchNormKernel;
  void Compute(OpKernelContext* c) override {
    BatchNormShape shape;
    OP_REQUIRES_OK(c, check(c, 1, 4, &shape));
    Tensor* output = nullptr;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &output));
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, guarded([&] {
                     batch_norm_inference(output->data(), c->input(0).data(), floats(c, 1), floats(c, 2), floats(c, 3),
                                          floats(c, 4), residuals_ ? c->input(5).data() : nullptr,
                                          float_type(c->input(0)), shape, spec_, {&executor, nullptr});
                   }));
  }
};

class BatchNormGradOp : public BatchNormKernel {
 public:
  using BatchNormKernel::BatchNormKernel;
  void Compute(OpKernelContext* c) override {
    BatchNormShape shape;
    OP_REQUIRES_OK(c, check(c, 3, 4, &shape));
    Tensor *dx = nullptr, *dscale = nullptr, *doffset = nullptr, *dresidual = nullptr;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &dx));
    OP_REQUIRES_OK(c, c->allocate_output(1, c->input(3).shape(), &dscale));
    OP_REQUIRES_OK(c, c->allocate_output(2, c->input(3).shape(), &doffset));
    if (residuals_) OP_REQUIRES_OK(c, c->allocate_output(3, c->input(0).shape(), &dresidual));
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, guarded([&] {
                     batch_norm_backward(
                         dx->data(), floats(dscale), floats(doffset), dresidual ? dresidual->data() : nullptr,
                         c->input(0).data(), c->input(1).data(), c->input(2).data(), floats(c, 3), floats(c, 4),
                         floats(c, 5), floats(c, 6), float_type(c->input(0)), shape, spec_, {&executor, nullptr});
                   }));
  }
};

REGISTER_KERNEL_BUILDER(Name("LambdaFast>BatchNorm").Device(tensorflow::DEVICE_CPU), BatchNormOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>BatchNormInference").Device(tensorflow::DEVICE_CPU), BatchNormInferenceOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>BatchNormGrad").Device(tensorflow::DEVICE_CPU), BatchNormGradOp);

}  // namespace
}  // namespace lambda_fast
