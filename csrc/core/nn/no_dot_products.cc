// Our own bfloat16 kernels on a processor that is no x86-64: never asked for, because dot_products.cc takes no shape.
#include "core/base/error.h"
#include "core/nn/kernel_gradient_bf16.h"
#include "core/nn/narrow_convolution_bf16.h"
#include "core/nn/tile_convolution_bf16.h"
#include "core/nn/tile_kernel_gradient_bf16.h"

namespace lambda_fast {
namespace {

[[noreturn]] void refuse() { fail(ErrorKind::kInternal, "conv2d", "expected AVX512-BF16; found another processor"); }

}  // namespace

void add_kernel_gradient_bf16(float*, const uint16_t*, const uint16_t*, const ConvolutionShape&) { refuse(); }
int64_t packed_kernel_bytes(const ConvolutionShape&) { refuse(); }
void pack_kernel(uint32_t*, const float*, const ConvolutionShape&) { refuse(); }
void pack_turned_kernel(uint32_t*, const float*, const ConvolutionShape&) { refuse(); }
void narrow_convolution_bf16(uint16_t*, const uint16_t*, const uint32_t*, const ConvolutionShape&) { refuse(); }
void tile_kernel_gradient_bf16(float*, const uint16_t*, const uint16_t*, const ConvolutionShape&) { refuse(); }
int64_t tile_kernel_bytes(const ConvolutionShape&) { refuse(); }
void pack_tile_kernel_bf16(uint16_t*, const float*, const ConvolutionShape&) { refuse(); }
void pack_turned_tile_kernel_bf16(uint16_t*, const float*, const ConvolutionShape&) { refuse(); }
void tile_convolution_bf16(uint16_t*, const uint16_t*, const uint16_t*, const uint16_t*, const ConvolutionShape&) {
  refuse();
}

}  // namespace lambda_fast
