// Random policies: which operations an image goes through after its geometry, and how strongly.
//
// RandAugment (Cubuk et al., 2019, arXiv:1909.13719) takes several operations in turn, all of one strength;
// TrivialAugment (Müller and Hutter, 2021, arXiv:2103.10158) takes one, of any strength. Operations and strengths are
// those of torchvision.transforms.v2 (RandAugment, TrivialAugmentWide).
#pragma once

#include <cstdint>

#include "core/base/batch_view.h"
#include "core/base/philox.h"

namespace lambda_fast {

enum class Policy : int32_t { kNone, kRandAugment, kTrivialAugment };

enum class PolicyOp : int32_t {
  kIdentity,
  kShearX,  // from here to kSharpness the strength may be negative
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kBrightness,
  kColor,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutoContrast,
  kEqualize,
};

inline constexpr int32_t kPolicyOpCount = 14, kPolicyLevels = 31, kMaxPolicyOps = 16;

// One of the 31 strengths of each operation.
struct PolicyLevel {
  double shear;                      // pixels along for each pixel across
  double cosine, sine;               // of the rotation
  double enhance;                    // how far the factor of brightness, colour, contrast and sharpness is from 1
  int32_t translate_y, translate_x;  // pixels
  int32_t bits;                      // that posterize keeps
  int32_t threshold;                 // least value that solarize inverts
};

struct PolicyPlan {
  int32_t steps;  // operations an image; 0: no policy
  int32_t level;  // of all of them; -1: drawn
  PolicyLevel levels[kPolicyLevels];
};

// One operation that was drawn.
struct PolicyStep {
  PolicyOp op;
  int32_t level;
  bool negative;
};

LF_HOST_DEVICE PolicyStep draw_policy_step(const PolicyPlan& plan, const SampleKey& key, int32_t index) {
  const PhiloxBlock block = dice(key, kDicePolicy + static_cast<uint32_t>(index));
  const PolicyOp op = static_cast<PolicyOp>(below(block.word[0], kPolicyOpCount));
  const bool has_sign = PolicyOp::kShearX <= op && op <= PolicyOp::kSharpness;
  return {op, plan.level >= 0 ? plan.level : below(block.word[2], kPolicyLevels),
          has_sign && below(block.word[1], 2) == 1};
}

// The strengths of a policy for images of one size; `ops` and `magnitude` are RandAugment's alone.
PolicyPlan make_policy_plan(Policy policy, int32_t ops, int32_t magnitude, const ImageShape& shape);

const char* name_of(PolicyOp op);

}  // namespace lambda_fast
