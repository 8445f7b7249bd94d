// LF_HOST_DEVICE marks arithmetic that is written once and runs on the CPU and on the GPU.
//
// Internal linkage on purpose: augment/rows.cc is compiled once for each instruction set, and a function that the
// linker merged across those objects could carry instructions that the machine lacks into the portable ones.
#pragma once

#if defined(__CUDACC__)
#define LF_HOST_DEVICE static __host__ __device__ __forceinline__
#else
#define LF_HOST_DEVICE static inline
#endif
