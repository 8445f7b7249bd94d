// A bucket's way into one run of values on the GPU and back, and a rank's part of a sum; queued on a stream.
#pragma once

#include "core/collective/bucket.h"

namespace lambda_fast {

// Writes the whole bucket as `wire` to `out`, on the device; gaps keep what was there.
void pack_cuda(void* out, ValueType wire, const Bucket& bucket, void* stream);

// Reads the whole bucket from `in`, each value divided by `divisor` and rounded once.
void unpack_cuda(const void* in, ValueType wire, const Bucket& bucket, float divisor, void* stream);

// What sum_in_order of bucket.h does: float32 sums in the order of the ranks, divided and rounded once.
void sum_cuda(void* out, const void* first, ValueType wire, int64_t stride, int ranks, int64_t count, float divisor,
              void* stream);

}  // namespace lambda_fast
