// Stands in for augment_cuda.cu in a build without nvcc.
#include "core/augment/augment.h"
#include "core/base/error.h"

namespace lambda_fast {

void augment_cuda(FloatBatchView, const ImageBatchView&, EpochKeyView, const AugmentPlan&, const Context&) {
  fail(ErrorKind::kUnavailable, "augment",
       "expected a build with CUDA, found one without. Put nvcc on the PATH and "
       "install again with LAMBDA_FAST_CUDA=ON");
}

}  // namespace lambda_fast
