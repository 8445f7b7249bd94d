// A random policy on the CPU: one image after its geometry, in a tile that stays in the cache.
#pragma once

#include <cstdint>

#include "core/augment/policy.h"

namespace lambda_fast {

// Runs the operations that `key` draws on `image`. `spare` is as large; returns the one of the two that holds the
// result.
uint8_t* apply_policy_cpu(uint8_t* image, uint8_t* spare, const ImageShape& shape, const PolicyPlan& plan,
                          const SampleKey& key);

}  // namespace lambda_fast
