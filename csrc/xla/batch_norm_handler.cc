// lf_batch_norm, its inference and its gradient for XLA's Host platform: unpack, one call into core, convert the error.
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "core/nn/batch_norm.h"
#include "xla/ffi_bridge.h"
#include "xla/handlers.h"

namespace lambda_fast {
namespace {

namespace ffi = xla::ffi;
using Buffer = ffi::AnyBuffer;

constexpr char kWhere[] = "batch_norm";

// All of `images` are as the first, all of `parameters` have one value for each of its channels.
BatchNormShape shape_of(std::initializer_list<Buffer> images, std::initializer_list<Buffer> parameters) {
  const Buffer& first = *images.begin();
  BatchNormShape shape{};
  for (const Buffer& parameter : parameters) shape = check_batch_norm(extents(first), extents(parameter));
  for (const Buffer& image : images) {
    require(extents(image) == extents(first) && image.element_type() == first.element_type(), kWhere,
            "expected images, residuals and gradients of one shape and type; found two");
  }
  return shape;
}

// The one operand or result that remains, or `otherwise`.
template <class Remaining>
Buffer optional(const Remaining& remaining, const Buffer& otherwise) {
  require(remaining.size() <= 1, kWhere, "expected at most one residual; found ", remaining.size());
  if (remaining.size() == 0) return otherwise;
  if constexpr (std::is_same_v<Remaining, ffi::RemainingArgs>) {
    return *remaining.template get<Buffer>(0);
  } else {
    return **remaining.template get<Buffer>(0);
  }
}

ffi::Error train(ffi::ThreadPool pool, float epsilon, bool relu, Buffer x, Buffer scale, Buffer offset,
                 ffi::RemainingArgs rest, ffi::Result<Buffer> y, ffi::Result<Buffer> mean,
                 ffi::Result<Buffer> variance) {
  return guarded([&] {
    const Buffer residual = optional(rest, x);
    const BatchNormShape shape = shape_of({x, residual, *y}, {scale, offset, *mean, *variance});
    XlaExecutor executor(std::move(pool));
    batch_norm(y->untyped_data(), floats(*mean, kWhere), floats(*variance, kWhere), x.untyped_data(),
               floats(scale, kWhere), floats(offset, kWhere), rest.size() ? residual.untyped_data() : nullptr,
               float_type(x, kWhere), shape, {epsilon, relu}, {&executor, nullptr});
  });
}

ffi::Error infer(ffi::ThreadPool pool, float epsilon, bool relu, Buffer x, Buffer scale, Buffer offset, Buffer mean,
                 Buffer variance, ffi::RemainingArgs rest, ffi::Result<Buffer> y) {
  return guarded([&] {
    const Buffer residual = optional(rest, x);
    const BatchNormShape shape = shape_of({x, residual, *y}, {scale, offset, mean, variance});
    XlaExecutor executor(std::move(pool));
    batch_norm_inference(y->untyped_data(), x.untyped_data(), floats(scale, kWhere), floats(offset, kWhere),
                         floats(mean, kWhere), floats(variance, kWhere),
                         rest.size() ? residual.untyped_data() : nullptr, float_type(x, kWhere), shape, {epsilon, relu},
                         {&executor, nullptr});
  });
}

ffi::Error backward(ffi::ThreadPool pool, float epsilon, bool relu, Buffer dy, Buffer x, Buffer y, Buffer scale,
                    Buffer offset, Buffer mean, Buffer variance, ffi::Result<Buffer> dx, ffi::Result<Buffer> dscale,
                    ffi::Result<Buffer> doffset, ffi::RemainingRets rest) {
  return guarded([&] {
    const Buffer dresidual = optional(rest, *dx);
    const BatchNormShape shape =
        shape_of({x, dy, y, *dx, dresidual}, {scale, offset, mean, variance, *dscale, *doffset});
    XlaExecutor executor(std::move(pool));
    batch_norm_backward(dx->untyped_data(), floats(*dscale, kWhere), floats(*doffset, kWhere),
                        rest.size() ? dresidual.untyped_data() : nullptr, dy.untyped_data(), x.untyped_data(),
                        y.untyped_data(), floats(scale, kWhere), floats(offset, kWhere), floats(mean, kWhere),
                        floats(variance, kWhere), float_type(x, kWhere), shape, {epsilon, relu}, {&executor, nullptr});
  });
}

auto bind() { return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Attr<float>("epsilon").Attr<bool>("relu"); }

}  // namespace
}  // namespace lambda_fast

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_batch_norm_host, lambda_fast::train,
                              lambda_fast::bind()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_batch_norm_inference_host, lambda_fast::infer,
                              lambda_fast::bind()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_batch_norm_grad_host, lambda_fast::backward,
                              lambda_fast::bind()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>()
                                  .RemainingRets());
