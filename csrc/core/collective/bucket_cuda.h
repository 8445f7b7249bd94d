// A bucket's way into one run of float32 values on the GPU and back, queued on a stream.
#pragma once

#include "core/collective/bucket.h"

namespace lambda_fast {

// Writes the whole bucket as float32 to `out`, on the device; gaps keep what was there.
void pack_cuda(float* out, const Bucket& bucket, void* stream);

// Reads the whole bucket from `in`, each value divided by `divisor` and rounded once.
void unpack_cuda(const float* in, const Bucket& bucket, float divisor, void* stream);

}  // namespace lambda_fast
