// The augmenter: uint8 images in, augmented and normalised float images out, each one a function of its own key.
#pragma once

#include <string>

#include "core/augment/draw.h"
#include "core/augment/spec.h"
#include "core/base/batch_view.h"
#include "core/base/context.h"

namespace lambda_fast {

// output: [count, plan.output] of `output.type`. The same bytes for any executor and any split of the batch.
void augment_cpu(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
                 const Context& context);

// The same bytes as augment_cpu; all pointers (the key's too) are device memory, the work is queued on context.stream.
// Without CUDA in the build: Error(kUnavailable).
void augment_cuda(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
                  const Context& context);

// The instruction set of augment_cpu's inner loops on this machine: "avx512", "avx2" or "portable". The environment
// variable LAMBDA_FAST_ISA asks for a lower one.
std::string augment_cpu_isa();

}  // namespace lambda_fast
