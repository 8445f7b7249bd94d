// The 31 strengths of a policy's operations, as torchvision.transforms.v2 has them.
#include "core/augment/policy.h"

#include <cmath>

namespace lambda_fast {
namespace {

constexpr int32_t kLast = kPolicyLevels - 1;

// At the highest level.
struct Strengths {
  double shear, degrees, enhance;
  int32_t lost_bits;
};
constexpr Strengths kRand{0.3, 30.0, 0.9, 4}, kTrivial{0.99, 135.0, 0.99, 6};

// Cosines and sines as Pillow rounds them, so that a right angle is exact.
double fifteen_digits(double value) { return std::floor(value * 1e15 + 0.5) / 1e15; }

// RandAugment moves by a share of the side (150 pixels of 331), TrivialAugment by 32 pixels.
int32_t translation(Policy policy, int32_t level, int32_t side) {
  return policy == Policy::kRandAugment ? static_cast<int32_t>(int64_t{150} * side * level / (331 * kLast))
                                        : 32 * level / kLast;
}

}  // namespace

PolicyPlan make_policy_plan(Policy policy, int32_t ops, int32_t magnitude, const ImageShape& shape) {
  PolicyPlan plan{};
  if (policy == Policy::kNone) return plan;
  const bool one_level = policy == Policy::kRandAugment;
  const Strengths& most = one_level ? kRand : kTrivial;
  plan.steps = one_level ? ops : 1;
  plan.level = one_level ? magnitude : -1;
  for (int32_t i = 0; i < kPolicyLevels; ++i) {
    const double radians = most.degrees * i / kLast * 3.14159265358979323846 / 180.0;
    plan.levels[i] = {most.shear * i / kLast,
                      fifteen_digits(std::cos(radians)),
                      fifteen_digits(std::sin(radians)),
                      most.enhance * i / kLast,
                      translation(policy, i, shape.height),
                      translation(policy, i, shape.width),
                      8 - (2 * most.lost_bits * i + kLast) / (2 * kLast),
                      (255 * (kLast - i) + kLast - 1) / kLast};
  }
  return plan;
}

const char* name_of(PolicyOp op) {
  constexpr const char* kNames[kPolicyOpCount] = {
      "identity", "shear_x",  "shear_y",   "translate_x", "translate_y", "rotate",        "brightness",
      "color",    "contrast", "sharpness", "posterize",   "solarize",    "auto_contrast", "equalize"};
  return kNames[static_cast<int32_t>(op)];
}

}  // namespace lambda_fast
