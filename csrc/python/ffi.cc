// The typed-FFI handlers as capsules, the form in which JAX registers them.
#include "python/module.h"
#include "xla/handlers.h"

namespace py = pybind11;

namespace lambda_fast {
namespace {

py::capsule capsule_of(XLA_FFI_Error* (*handler)(XLA_FFI_CallFrame*)) {
  return py::capsule(reinterpret_cast<void*>(handler), "xla._CUSTOM_CALL_TARGET");
}

}  // namespace

void add_ffi(py::module_& module) {
  module.def(
      "ffi_handlers",
      [] {
        py::dict host, cuda, handlers;
        host[kAugmentTarget] = capsule_of(lf_augment_host);
        host[kConv2DTarget] = capsule_of(lf_conv2d_host);
        host[kConv2DBackpropInputTarget] = capsule_of(lf_conv2d_backprop_input_host);
        host[kConv2DBackpropInputAddTarget] = capsule_of(lf_conv2d_backprop_input_add_host);
        host[kConv2DBackpropFilterTarget] = capsule_of(lf_conv2d_backprop_filter_host);
        host[kBatchNormTarget] = capsule_of(lf_batch_norm_host);
        host[kBatchNormInferenceTarget] = capsule_of(lf_batch_norm_inference_host);
        host[kBatchNormGradTarget] = capsule_of(lf_batch_norm_grad_host);
        host[kAllReduceTarget] = capsule_of(lf_all_reduce_host);
        host[kBroadcastTarget] = capsule_of(lf_broadcast_host);
        cuda[kAugmentTarget] = capsule_of(lf_augment_cuda);
        cuda[kAllReduceTarget] = capsule_of(lf_all_reduce_cuda);
        cuda[kBroadcastTarget] = capsule_of(lf_broadcast_cuda);
        handlers["cpu"] = host;
        handlers["CUDA"] = cuda;
        return handlers;
      },
      "Capsules by platform (as JAX names them) and target name.");
}

}  // namespace lambda_fast
