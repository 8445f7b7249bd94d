// LambdaFast>Conv2D and its gradients for TensorFlow: definitions, shapes, and kernels for the CPU.
#include <string>
#include <vector>

#include "core/nn/convolution.h"
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

// Checks what is known, with something that fits in the place of what is not, and gives the output's shape.
absl::Status infer_output(InferenceContext* c, ShapeHandle input, ShapeHandle kernel, ShapeHandle* output) {
  for (ShapeHandle* shape : {&input, &kernel}) {
    if (!c->WithRank(*shape, 4, shape).ok()) {
      return absl::InvalidArgumentError(
          "[conv2d] expected an input [batch, height, width, channels] and a kernel [height, width, in_channels, "
          "out_channels]; found " +
          c->DebugString(*shape));
    }
  }
  std::vector<int32_t> strides, padding;
  TF_RETURN_IF_ERROR(c->GetAttr("strides", &strides));
  TF_RETURN_IF_ERROR(c->GetAttr("padding", &padding));
  return guarded([&] {
    const auto known = [&](ShapeHandle shape, int axis, int64_t fitting) {
      const DimensionHandle dimension = c->Dim(shape, axis);
      return c->ValueKnown(dimension) ? c->Value(dimension) : fitting;
    };
    const int64_t kernel_height = known(kernel, 0, 1), kernel_width = known(kernel, 1, 1);
    const int64_t channels = known(kernel, 2, known(input, 3, 1));
    const ConvolutionShape shape = check_convolution(
        {known(input, 0, 1), known(input, 1, kernel_height), known(input, 2, kernel_width), known(input, 3, channels)},
        {kernel_height, kernel_width, channels, known(kernel, 3, 1)}, {strides.begin(), strides.end()},
        {padding.begin(), padding.end()});
    const bool height_known = c->ValueKnown(c->Dim(input, 1)) && c->ValueKnown(c->Dim(kernel, 0));
    const bool width_known = c->ValueKnown(c->Dim(input, 2)) && c->ValueKnown(c->Dim(kernel, 1));
    *output = c->MakeShape({c->Dim(input, 0), height_known ? c->MakeDim(shape.out_height()) : c->UnknownDim(),
                            width_known ? c->MakeDim(shape.out_width()) : c->UnknownDim(), c->Dim(kernel, 3)});
  });
}

absl::Status infer_forward(InferenceContext* c) {
  ShapeHandle output;
  TF_RETURN_IF_ERROR(infer_output(c, c->input(0), c->input(1), &output));
  c->set_output(0, output);
  return absl::OkStatus();
}

absl::Status infer_forward_and_input(InferenceContext* c) {
  TF_RETURN_IF_ERROR(infer_forward(c));
  c->set_output(1, c->input(0));
  return absl::OkStatus();
}

// Inputs: input, kernel, output gradient. `wanted` is the one whose gradient this op computes.
template <int wanted>
absl::Status infer_backward(InferenceContext* c) {
  ShapeHandle output;
  TF_RETURN_IF_ERROR(infer_output(c, c->input(0), c->input(1), &output));
  if (!c->Merge(output, c->input(2), &output).ok()) {
    return absl::InvalidArgumentError("[conv2d] expected an output gradient of shape " + c->DebugString(output) +
                                      "; found " + c->DebugString(c->input(2)));
  }
  c->set_output(0, c->input(wanted));
  return absl::OkStatus();
}

absl::Status infer_backward_and_add(InferenceContext* c) {
  TF_RETURN_IF_ERROR(infer_backward<0>(c));
  ShapeHandle sum;
  if (!c->Merge(c->input(0), c->input(3), &sum).ok()) {
    return absl::InvalidArgumentError("[conv2d] expected an addend of shape " + c->DebugString(c->input(0)) +
                                      "; found " + c->DebugString(c->input(3)));
  }
  c->set_output(0, sum);
  return absl::OkStatus();
}

REGISTER_OP("LambdaFast>Conv2D")
    .Input("input: T")
    .Input("kernel: float")
    .Output("output: T")
    .Attr("T: {float, bfloat16}")
    .Attr("strides: list(int)")
    .Attr("padding: list(int)")
    .SetShapeFn(infer_forward);

// Conv2D, and its input once more: gradients of both come back together, and their sum takes no pass of its own.
REGISTER_OP("LambdaFast>Conv2DAndInput")
    .Input("input: T")
    .Input("kernel: float")
    .Output("output: T")
    .Output("same_input: T")
    .Attr("T: {float, bfloat16}")
    .Attr("strides: list(int)")
    .Attr("padding: list(int)")
    .SetShapeFn(infer_forward_and_input);

// `input` gives its shape alone.
REGISTER_OP("LambdaFast>Conv2DBackpropInput")
    .Input("input: T")
    .Input("kernel: float")
    .Input("output_gradient: T")
    .Output("input_gradient: T")
    .Attr("T: {float, bfloat16}")
    .Attr("strides: list(int)")
    .Attr("padding: list(int)")
    .SetShapeFn(infer_backward<0>);

// The same plus `addend`, of the input's shape.
REGISTER_OP("LambdaFast>Conv2DBackpropInputAdd")
    .Input("input: T")
    .Input("kernel: float")
    .Input("output_gradient: T")
    .Input("addend: T")
    .Output("input_gradient: T")
    .Attr("T: {float, bfloat16}")
    .Attr("strides: list(int)")
    .Attr("padding: list(int)")
    .SetShapeFn(infer_backward_and_add);

// `kernel` gives its shape alone.
REGISTER_OP("LambdaFast>Conv2DBackpropFilter")
    .Input("input: T")
    .Input("kernel: float")
    .Input("output_gradient: T")
    .Output("kernel_gradient: float")
    .Attr("T: {float, bfloat16}")
    .Attr("strides: list(int)")
    .Attr("padding: list(int)")
    .SetShapeFn(infer_backward<1>);

class ConvolutionOp : public tensorflow::OpKernel {
 public:
  explicit ConvolutionOp(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(c, c->GetAttr("padding", &padding_));
  }

 protected:
  ConvolutionShape shape_of(const Tensor& input, const Tensor& kernel) const {
    return check_convolution(extents(input), extents(kernel), {strides_.begin(), strides_.end()},
                             {padding_.begin(), padding_.end()});
  }
  static void check_gradient(const Tensor& gradient, const ConvolutionShape& shape) {
    require(extents(gradient) == output_extents(shape), "conv2d",
            "expected an output gradient of the output's shape; found ", gradient.shape().DebugString());
  }

 private:
  std::vector<int32_t> strides_, padding_;
};

class Conv2DOp : public ConvolutionOp {
 public:
  using ConvolutionOp::ConvolutionOp;
  void Compute(OpKernelContext* c) override {
    const Tensor &input = c->input(0), &kernel = c->input(1);
    ConvolutionShape shape;
    OP_REQUIRES_OK(c, guarded([&] { shape = shape_of(input, kernel); }));
    Tensor* output = nullptr;
    OP_REQUIRES_OK(c, c->allocate_output(0, tensorflow::TensorShape(output_extents(shape)), &output));
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, guarded([&] {
                     convolve(output->data(), input.data(), kernel.flat<float>().data(), float_type(input), shape,
                              {&executor, nullptr});
                   }));
    if (num_outputs() == 2) c->set_output(1, input);
  }
};

class Conv2DBackpropInputOp : public ConvolutionOp {
 public:
  using ConvolutionOp::ConvolutionOp;
  void Compute(OpKernelContext* c) override {
    const Tensor &input = c->input(0), &kernel = c->input(1), &output_gradient = c->input(2);
    Tensor* input_gradient = nullptr;
    OP_REQUIRES_OK(c, c->allocate_output(0, input.shape(), &input_gradient));
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, guarded([&] {
                     const ConvolutionShape shape = shape_of(input, kernel);
                     check_gradient(output_gradient, shape);
                     const void* addend = nullptr;
                     if (num_inputs() == 4) {
                       require(c->input(3).shape() == input.shape(), "conv2d",
                               "expected an addend of the input's shape; found ", c->input(3).shape().DebugString());
                       addend = c->input(3).data();
                     }
                     convolve_backward_input(input_gradient->data(), output_gradient.data(),
                                             kernel.flat<float>().data(), addend, float_type(input), shape,
                                             {&executor, nullptr});
                   }));
  }
};

class Conv2DBackpropFilterOp : public ConvolutionOp {
 public:
  using ConvolutionOp::ConvolutionOp;
  void Compute(OpKernelContext* c) override {
    const Tensor &input = c->input(0), &kernel = c->input(1), &output_gradient = c->input(2);
    Tensor* kernel_gradient = nullptr;
    OP_REQUIRES_OK(c, c->allocate_output(0, kernel.shape(), &kernel_gradient));
    TensorFlowExecutor executor(c->device()->tensorflow_cpu_worker_threads()->workers);
    OP_REQUIRES_OK(c, guarded([&] {
                     const ConvolutionShape shape = shape_of(input, kernel);
                     check_gradient(output_gradient, shape);
                     convolve_backward_kernel(kernel_gradient->flat<float>().data(), input.data(),
                                              output_gradient.data(), float_type(input), shape, {&executor, nullptr});
                   }));
  }
};

REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2D").Device(tensorflow::DEVICE_CPU), Conv2DOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DAndInput").Device(tensorflow::DEVICE_CPU), Conv2DOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DBackpropInput").Device(tensorflow::DEVICE_CPU), Conv2DBackpropInputOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DBackpropInputAdd").Device(tensorflow::DEVICE_CPU),
                        Conv2DBackpropInputOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Conv2DBackpropFilter").Device(tensorflow::DEVICE_CPU), Conv2DBackpropFilterOp);

}  // namespace
}  // namespace lambda_fast
