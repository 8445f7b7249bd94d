// The typed-FFI handlers, as C symbols: what TensorFlow's XLA and JAX register.
#pragma once

#include "xla/ffi/api/c_api.h"

#define LF_EXPORT __attribute__((visibility("default")))

// Operands: images u8[n, h, w, c], sample_ids s64[n], seed s64[], epoch s64[]. Result: f32 or bf16 [n, height, width,
// c]. Attributes: the fields of AugmentSpec.
inline constexpr char kAugmentTarget[] = "lf_augment";
extern "C" LF_EXPORT XLA_FFI_Error* lf_augment_host(XLA_FFI_CallFrame* call_frame);
extern "C" LF_EXPORT XLA_FFI_Error* lf_augment_cuda(XLA_FFI_CallFrame* call_frame);
