// Our own kernels on a processor that is no x86-64: never asked for, because own_kernels.cc takes no shape.
#include "core/base/error.h"
#include "core/nn/kernel_gradient_bf16.h"
#include "core/nn/tile_convolution_bf16.h"
#include "core/nn/tile_kernel_gradient_bf16.h"
#include "core/nn/widen_bf16.h"
#include "core/nn/winograd.h"

namespace lambda_fast {
namespace {

[[noreturn]] void refuse() { fail(ErrorKind::kInternal, "conv2d", "expected AVX-512; found another processor"); }

}  // namespace

void add_kernel_gradient_bf16(float*, const uint16_t*, const uint16_t*, const ConvolutionShape&) { refuse(); }
void tile_kernel_gradient_bf16(float*, const uint16_t*, const uint16_t*, const ConvolutionShape&) { refuse(); }
int64_t tile_kernel_bytes(const ConvolutionShape&) { refuse(); }
void pack_tile_kernel_bf16(uint16_t*, const float*, const ConvolutionShape&) { refuse(); }
void pack_turned_tile_kernel_bf16(uint16_t*, const float*, const ConvolutionShape&) { refuse(); }
void tile_convolution_bf16(uint16_t*, const uint16_t*, const uint16_t*, const uint16_t*, const ConvolutionShape&) {
  refuse();
}
void widen_bf16(float*, const uint16_t*, int64_t) { refuse(); }
void narrow_bf16(uint16_t*, const float*, const uint16_t*, int64_t) { refuse(); }
int64_t winograd_kernel_bytes(const ConvolutionShape&) { refuse(); }
template <class Value>
void transform_kernel(float*, const float*, const ConvolutionShape&, int64_t, int64_t) {
  refuse();
}
template <class Value>
void transform_turned_kernel(float*, const float*, const ConvolutionShape&, int64_t, int64_t) {
  refuse();
}
template <class Value>
void winograd_convolution(Value*, const Value*, const float*, const Value*, const ConvolutionShape&) {
  refuse();
}
template <class Value>
void winograd_kernel_gradient(float*, const Value*, const Value*, const ConvolutionShape&) {
  refuse();
}
template void transform_kernel<float>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void transform_kernel<uint16_t>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void transform_turned_kernel<float>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void transform_turned_kernel<uint16_t>(float*, const float*, const ConvolutionShape&, int64_t, int64_t);
template void winograd_convolution(float*, const float*, const float*, const float*, const ConvolutionShape&);
template void winograd_convolution(uint16_t*, const uint16_t*, const float*, const uint16_t*, const ConvolutionShape&);
template void winograd_kernel_gradient(float*, const float*, const float*, const ConvolutionShape&);
template void winograd_kernel_gradient(float*, const uint16_t*, const uint16_t*, const ConvolutionShape&);

}  // namespace lambda_fast
