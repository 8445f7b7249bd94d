// lf_conv2d and its gradients for XLA's Host platform: unpack, one call into core, convert the error.
#include <vector>

#include "core/nn/convolution.h"
#include "xla/ffi_bridge.h"
#include "xla/handlers.h"

namespace lambda_fast {
namespace {

namespace ffi = xla::ffi;
using Buffer = ffi::AnyBuffer;
using Integers = ffi::Span<const int64_t>;

ConvolutionShape shape_of(const Buffer& input, const Buffer& kernel, const Buffer& output, Integers strides,
                          Integers padding) {
  const ConvolutionShape shape = check_convolution(extents(input), extents(kernel), {strides.begin(), strides.end()},
                                                   {padding.begin(), padding.end()});
  require(extents(output) == output_extents(shape), "conv2d",
          "expected an output that fits the input, kernel, strides and padding; found another shape");
  require(input.element_type() == output.element_type(), "conv2d", "expected input and output of one type; found two");
  return shape;
}

ffi::Error conv2d(ffi::ThreadPool pool, Integers strides, Integers padding, Buffer input, Buffer kernel,
                  ffi::Result<Buffer> output) {
  return guarded([&] {
    XlaExecutor executor(std::move(pool));
    convolve(output->untyped_data(), input.untyped_data(), floats(kernel, "conv2d"), float_type(input, "conv2d"),
             shape_of(input, kernel, *output, strides, padding), {&executor, nullptr});
  });
}

ffi::Error backprop_input(ffi::ThreadPool pool, Integers strides, Integers padding, const Buffer& kernel,
                          const Buffer& output_gradient, const void* addend, ffi::Result<Buffer> input_gradient) {
  return guarded([&] {
    XlaExecutor executor(std::move(pool));
    convolve_backward_input(input_gradient->untyped_data(), output_gradient.untyped_data(), floats(kernel, "conv2d"),
                            addend, float_type(output_gradient, "conv2d"),
                            shape_of(*input_gradient, kernel, output_gradient, strides, padding), {&executor, nullptr});
  });
}

ffi::Error conv2d_backprop_input(ffi::ThreadPool pool, Integers strides, Integers padding, Buffer kernel,
                                 Buffer output_gradient, ffi::Result<Buffer> input_gradient) {
  return backprop_input(std::move(pool), strides, padding, kernel, output_gradient, nullptr, input_gradient);
}

ffi::Error conv2d_backprop_input_add(ffi::ThreadPool pool, Integers strides, Integers padding, Buffer kernel,
                                     Buffer output_gradient, Buffer addend, ffi::Result<Buffer> input_gradient) {
  const ffi::Error error = guarded([&] {
    require(extents(addend) == extents(*input_gradient) && addend.element_type() == input_gradient->element_type(),
            "conv2d", "expected an addend of the input's shape and type; found another");
  });
  if (error.failure()) return error;
  return backprop_input(std::move(pool), strides, padding, kernel, output_gradient, addend.untyped_data(),
                        input_gradient);
}

ffi::Error conv2d_backprop_filter(ffi::ThreadPool pool, Integers strides, Integers padding, Buffer input,
                                  Buffer output_gradient, ffi::Result<Buffer> kernel_gradient) {
  return guarded([&] {
    XlaExecutor executor(std::move(pool));
    convolve_backward_kernel(floats(*kernel_gradient, "conv2d"), input.untyped_data(), output_gradient.untyped_data(),
                             float_type(input, "conv2d"),
                             shape_of(input, *kernel_gradient, output_gradient, strides, padding),
                             {&executor, nullptr});
  });
}

}  // namespace
}  // namespace lambda_fast

#define LF_CONVOLUTION_BINDING                        \
  xla::ffi::Ffi::Bind()                               \
      .Ctx<xla::ffi::ThreadPool>()                    \
      .Attr<xla::ffi::Span<const int64_t>>("strides") \
      .Attr<xla::ffi::Span<const int64_t>>("padding") \
      .Arg<xla::ffi::AnyBuffer>()                     \
      .Arg<xla::ffi::AnyBuffer>()

#define LF_CONVOLUTION_HANDLER(symbol, function) \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(symbol, function, LF_CONVOLUTION_BINDING.Ret<xla::ffi::AnyBuffer>())

LF_CONVOLUTION_HANDLER(lf_conv2d_host, lambda_fast::conv2d);
LF_CONVOLUTION_HANDLER(lf_conv2d_backprop_input_host, lambda_fast::conv2d_backprop_input);
LF_CONVOLUTION_HANDLER(lf_conv2d_backprop_filter_host, lambda_fast::conv2d_backprop_filter);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_conv2d_backprop_input_add_host, lambda_fast::conv2d_backprop_input_add,
                              LF_CONVOLUTION_BINDING.Arg<xla::ffi::AnyBuffer>().Ret<xla::ffi::AnyBuffer>());
