// The typed-FFI handlers, as C symbols: what TensorFlow's XLA and JAX register.
#pragma once

#include "xla/ffi/api/c_api.h"

#define LF_EXPORT __attribute__((visibility("default")))

// Operands: images u8[n, h, w, c], sample_ids s64[n], seed s64[], epoch s64[]. Result: f32 or bf16 [n, height, width,
// c]. Attributes: the fields of AugmentSpec.
inline constexpr char kAugmentTarget[] = "lf_augment";
extern "C" LF_EXPORT XLA_FFI_Error* lf_augment_host(XLA_FFI_CallFrame* call_frame);
extern "C" LF_EXPORT XLA_FFI_Error* lf_augment_cuda(XLA_FFI_CallFrame* call_frame);

// Convolution and batch normalisation on the CPU; T is f32 or bf16. What they compute: core/nn/convolution.h and
// core/nn/batch_norm.h.

// x T[n, h, w, i], kernel f32[kh, kw, i, o] -> y T[n, oh, ow, o]. Attributes of all three: strides s64[2] down and
// across; padding s64[4] top, bottom, left, right.
inline constexpr char kConv2DTarget[] = "lf_conv2d";
extern "C" LF_EXPORT XLA_FFI_Error* lf_conv2d_host(XLA_FFI_CallFrame* call_frame);

// kernel f32[kh, kw, i, o], dy T[n, oh, ow, o] -> dx T[n, h, w, i].
inline constexpr char kConv2DBackpropInputTarget[] = "lf_conv2d_backprop_input";
extern "C" LF_EXPORT XLA_FFI_Error* lf_conv2d_backprop_input_host(XLA_FFI_CallFrame* call_frame);

// The same and addend T[n, h, w, i] -> dx + addend.
inline constexpr char kConv2DBackpropInputAddTarget[] = "lf_conv2d_backprop_input_add";
extern "C" LF_EXPORT XLA_FFI_Error* lf_conv2d_backprop_input_add_host(XLA_FFI_CallFrame* call_frame);

// x T[n, h, w, i], dy T[n, oh, ow, o] -> dkernel f32[kh, kw, i, o].
inline constexpr char kConv2DBackpropFilterTarget[] = "lf_conv2d_backprop_filter";
extern "C" LF_EXPORT XLA_FFI_Error* lf_conv2d_backprop_filter_host(XLA_FFI_CallFrame* call_frame);

// x T[..., c], scale f32[c], offset f32[c] and, or not, residual as x -> y as x, mean f32[c], variance f32[c].
// Attributes of all three: epsilon f32, relu i1.
inline constexpr char kBatchNormTarget[] = "lf_batch_norm";
extern "C" LF_EXPORT XLA_FFI_Error* lf_batch_norm_host(XLA_FFI_CallFrame* call_frame);

// x T[..., c], scale, offset, mean, variance f32[c] and, or not, residual as x -> y as x.
inline constexpr char kBatchNormInferenceTarget[] = "lf_batch_norm_inference";
extern "C" LF_EXPORT XLA_FFI_Error* lf_batch_norm_inference_host(XLA_FFI_CallFrame* call_frame);

// dy, x, y T[..., c], scale, offset, mean, variance f32[c] -> dx as x, dscale f32[c], doffset f32[c] and, where there
// was a residual, dresidual.
inline constexpr char kBatchNormGradTarget[] = "lf_batch_norm_grad";
extern "C" LF_EXPORT XLA_FFI_Error* lf_batch_norm_grad_host(XLA_FFI_CallFrame* call_frame);

// Any number of tensors, each f32, bf16 or f16, and a ticket f32[] -> the same, the sum or mean of each over all ranks,
// and the ticket of the next collective: data that orders them. Attribute: mean i1.
inline constexpr char kAllReduceTarget[] = "lf_all_reduce";
extern "C" LF_EXPORT XLA_FFI_Error* lf_all_reduce_host(XLA_FFI_CallFrame* call_frame);
extern "C" LF_EXPORT XLA_FFI_Error* lf_all_reduce_cuda(XLA_FFI_CallFrame* call_frame);

// Any number of tensors and a ticket -> those of the root, and a ticket. Attribute: root s32.
inline constexpr char kBroadcastTarget[] = "lf_broadcast";
extern "C" LF_EXPORT XLA_FFI_Error* lf_broadcast_host(XLA_FFI_CallFrame* call_frame);
extern "C" LF_EXPORT XLA_FFI_Error* lf_broadcast_cuda(XLA_FFI_CallFrame* call_frame);
