// LambdaFast>AllReduce and LambdaFast>Broadcast for eager and graph: definitions, shapes and kernels.
#include <string>
#include <vector>

#include "core/collective/communicator.h"
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
using tensorflow::shape_inference::InferenceContext;

absl::Status outputs_like_inputs(InferenceContext* c) {
  for (int i = 0; i < c->num_inputs(); ++i) c->set_output(i, c->input(i));
  return absl::OkStatus();
}

// Stateful: neither dropped, nor merged with another, nor folded. The ticket of one is the `next` of the one before, so
// that XLA, which knows data alone, runs them in one order on all ranks; its value means nothing.
REGISTER_OP("LambdaFast>AllReduce")
    .Input("inputs: T")
    .Input("ticket: float")
    .Output("outputs: T")
    .Output("next: float")
    .Attr("T: list({float, bfloat16, half}) >= 1")
    .Attr("mean: bool = true")
    .SetIsStateful()
    .SetShapeFn(outputs_like_inputs);

REGISTER_OP("LambdaFast>Broadcast")
    .Input("inputs: T")
    .Input("ticket: float")
    .Output("outputs: T")
    .Output("next: float")
    .Attr("T: list({float, bfloat16, half, double, int32, int64, bool, uint8}) >= 1")
    .Attr("root: int = 0")
    .SetIsStateful()
    .SetShapeFn(outputs_like_inputs);

ValueType value_type(const Tensor& tensor) {
  if (tensor.dtype() == tensorflow::DT_FLOAT) return ValueType::kFloat32;
  return tensor.dtype() == tensorflow::DT_BFLOAT16 ? ValueType::kBFloat16 : ValueType::kFloat16;
}

// Outputs are inputs' own buffers where nobody else reads those.
absl::Status allocate(OpKernelContext* c, std::vector<Tensor*>* outputs) {
  const int count = c->num_inputs() - 1;
  outputs->resize(count);
  for (int i = 0; i < count; ++i) {
    TF_RETURN_IF_ERROR(c->forward_input_or_allocate_output({i}, i, c->input(i).shape(), &(*outputs)[i]));
  }
  c->set_output(count, c->input(count));
  return absl::OkStatus();
}

absl::Status all_reduce(OpKernelContext* c, Communicator& world, bool mean, const Context& context) {
  std::vector<Tensor*> outputs;
  TF_RETURN_IF_ERROR(allocate(c, &outputs));
  std::vector<Piece> pieces;
  for (int i = 0; i + 1 < c->num_inputs(); ++i) {
    const Tensor& input = c->input(i);
    pieces.push_back({input.data(), outputs[i]->data(), input.NumElements(), value_type(input)});
  }
  return guarded(
      [&] { world.all_reduce(Bucket(std::move(pieces)), mean ? Reduction::kMean : Reduction::kSum, context); });
}

absl::Status broadcast(OpKernelContext* c, Communicator& world, int root, const Context& context) {
  std::vector<Tensor*> outputs;
  TF_RETURN_IF_ERROR(allocate(c, &outputs));
  std::vector<Bytes> parts;
  for (int i = 0; i + 1 < c->num_inputs(); ++i) {
    parts.push_back({c->input(i).data(), outputs[i]->data(), static_cast<int64_t>(c->input(i).TotalBytes())});
  }
  return guarded([&] { world.broadcast(parts, root, context); });
}

void* stream_of(OpKernelContext* c) { return c->op_device_context()->stream()->platform_specific_handle().stream; }

class AllReduceOp : public tensorflow::OpKernel {
 public:
  explicit AllReduceOp(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("mean", &mean_)); }

 protected:
  bool mean_;
};

class AllReduceCpuOp : public AllReduceOp {
 public:
  using AllReduceOp::AllReduceOp;
  void Compute(OpKernelContext* c) override { OP_REQUIRES_OK(c, all_reduce(c, world(), mean_, {})); }
};

class AllReduceGpuOp : public AllReduceOp {
 public:
  using AllReduceOp::AllReduceOp;
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES_OK(c, all_reduce(c, gpu_world(), mean_, {nullptr, stream_of(c)}));
  }
};

class BroadcastOp : public tensorflow::OpKernel {
 public:
  explicit BroadcastOp(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("root", &root_)); }

 protected:
  int root_;
};

class BroadcastCpuOp : public BroadcastOp {
 public:
  using BroadcastOp::BroadcastOp;
  void Compute(OpKernelContext* c) override { OP_REQUIRES_OK(c, broadcast(c, world(), root_, {})); }
};

class BroadcastGpuOp : public BroadcastOp {
 public:
  using BroadcastOp::BroadcastOp;
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES_OK(c, broadcast(c, gpu_world(), root_, {nullptr, stream_of(c)}));
  }
};

REGISTER_KERNEL_BUILDER(Name("LambdaFast>AllReduce").Device(tensorflow::DEVICE_CPU), AllReduceCpuOp);
REGISTER_KERNEL_BUILDER(
    Name("LambdaFast>AllReduce").Device(tensorflow::DEVICE_GPU).HostMemory("ticket").HostMemory("next"),
    AllReduceGpuOp);
REGISTER_KERNEL_BUILDER(Name("LambdaFast>Broadcast").Device(tensorflow::DEVICE_CPU), BroadcastCpuOp);
REGISTER_KERNEL_BUILDER(
    Name("LambdaFast>Broadcast").Device(tensorflow::DEVICE_GPU).HostMemory("ticket").HostMemory("next"),
    BroadcastGpuOp);

}  // namespace
}  // namespace lambda_fast
