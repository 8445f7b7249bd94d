// Checks of a spec, and the part of the work that is the same for all images.
#include "core/augment/spec.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr char kWhere[] = "augment";
constexpr int32_t kMaxSide = 1 << 15;
constexpr int64_t kMaxOutputPixels = int64_t{1} << 22;  // keeps pixels * sum of squares within int64

template <class Enum>
struct Named {
  const char* name;
  Enum value;
};
constexpr Named<Crop> kCrops[] = {{"center", Crop::kCenter},
                                  {"random", Crop::kRandom},
                                  {"random_resized", Crop::kRandomResized},
                                  {"random_scaled", Crop::kRandomScaled}};
constexpr Named<Normalize> kNormalizes[] = {
    {"none", Normalize::kNone}, {"channels", Normalize::kChannels}, {"image", Normalize::kImage}};
constexpr Named<Policy> kPolicies[] = {
    {"none", Policy::kNone}, {"rand_augment", Policy::kRandAugment}, {"trivial_augment", Policy::kTrivialAugment}};
constexpr Named<Border> kBorders[] = {{"zero", Border::kZero}, {"reflect", Border::kReflect}};

template <class Enum, size_t n>
const char* find_name(const Named<Enum> (&table)[n], Enum value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  fail(ErrorKind::kInternal, kWhere, "no name for enumerator ", static_cast<int>(value));
}

template <class Enum, size_t n>
void find_value(const Named<Enum> (&table)[n], const char* field, const std::string& name, Enum* value) {
  std::string known;
  for (const auto& entry : table) {
    if (name == entry.name) {
      *value = entry.value;
      return;
    }
    known += known.empty() ? entry.name : std::string(", ") + entry.name;
  }
  fail(ErrorKind::kInvalidArgument, kWhere, "expected ", field, " to be one of ", known, "; found '", name, "'");
}

// Outputs must not be denormal: the threads of some frameworks flush those to zero, others do not.
void check_magnitude(const char* field, float value) {
  require(value == 0 || std::fabs(value) >= 1e-30f, kWhere, "expected ", field, " to be 0 or at least 1e-30; found ",
          value);
}

void check_range(const char* field, const Range& range, float lowest, float highest) {
  require(lowest <= range.low && range.low <= range.high && range.high <= highest, kWhere, "expected ", field,
          " as [low, high] with ", lowest, " <= low <= high <= ", highest, "; found [", range.low, ", ", range.high,
          "]");
  check_magnitude(field, range.low);
  check_magnitude(field, range.high);
}

bool resizes(Crop crop) { return crop == Crop::kRandomResized || crop == Crop::kRandomScaled; }

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) text += (text.size() > 1 ? "," : "") + std::to_string(extent);
  return text + "]";
}

}  // namespace

const char* name_of(Crop crop) { return find_name(kCrops, crop); }
const char* name_of(Normalize normalize) { return find_name(kNormalizes, normalize); }
const char* name_of(Border border) { return find_name(kBorders, border); }
const char* name_of(Policy policy) { return find_name(kPolicies, policy); }
void parse_name(const std::string& name, Policy* policy) { find_value(kPolicies, "policy", name, policy); }
void parse_name(const std::string& name, Border* border) { find_value(kBorders, "border", name, border); }
void parse_name(const std::string& name, Crop* crop) { find_value(kCrops, "crop", name, crop); }
void parse_name(const std::string& name, Normalize* normalize) {
  find_value(kNormalizes, "normalize", name, normalize);
}

void check_spec(const AugmentSpec& spec) {
  require(0 <= spec.height && spec.height <= kMaxSide && 0 <= spec.width && spec.width <= kMaxSide, kWhere,
          "expected height and width in 0..", kMaxSide, " (0: as the input); found ", spec.height, "x", spec.width);
  require(0 <= spec.pad && spec.pad <= kMaxSide, kWhere, "expected pad in 0..", kMaxSide, "; found ", spec.pad);
  require(spec.pad == 0 || !resizes(spec.crop), kWhere, "expected pad = 0 with crop = ", name_of(spec.crop),
          "; found pad = ", spec.pad);
  check_range("area", spec.area, 1e-4f, 1.0f);
  check_range("aspect", spec.aspect, 0.01f, 100.0f);
  check_range("short_side", spec.short_side, 1.0f, kMaxSide);
  require(0 <= spec.flip && spec.flip <= 1, kWhere, "expected flip as a probability in [0, 1]; found ", spec.flip);
  require(!spec.alternate_flip || spec.flip > 0, kWhere,
          "expected flip above 0 with alternate_flip, as the share of samples that start mirrored; found ", spec.flip);
  require(1 <= spec.policy_ops && spec.policy_ops <= kMaxPolicyOps, kWhere, "expected policy_ops in 1..", kMaxPolicyOps,
          "; found ", spec.policy_ops);
  require(0 <= spec.policy_magnitude && spec.policy_magnitude < kPolicyLevels, kWhere,
          "expected policy_magnitude in 0..", kPolicyLevels - 1, "; found ", spec.policy_magnitude);
  require(0 <= spec.brightness && spec.brightness <= 255, kWhere,
          "expected brightness in [0, 255] pixel values; found ", spec.brightness);
  check_magnitude("brightness", spec.brightness);
  check_range("contrast", spec.contrast, 0.0f, 100.0f);
  check_range("saturation", spec.saturation, 0.0f, 100.0f);
  for (int c = 0; c < 3; ++c) {
    require(std::isfinite(spec.mean[c]), kWhere, "expected a finite mean; found mean[", c, "] = ", spec.mean[c]);
    check_magnitude("mean", spec.mean[c]);
    require(1e-6f <= spec.std[c] && spec.std[c] <= 1e30f, kWhere, "expected std in [1e-6, 1e30]; found std[", c,
            "] = ", spec.std[c]);
  }
  require(0 <= spec.cutout && spec.cutout <= kMaxSide, kWhere, "expected cutout in 0..", kMaxSide, "; found ",
          spec.cutout);
}

void check_channels(const AugmentSpec& spec, int64_t channels) {
  require(channels == 1 || channels == 3, kWhere,
          "expected images uint8[batch, height, width, channels] with 1 or 3 channels; found ", channels);
  require(channels == 3 || (spec.saturation.low == 1.0f && spec.saturation.high == 1.0f), kWhere,
          "expected 3 channels for saturation; found ", channels, ". Leave saturation at [1, 1] for grey images");
}

ImageShape check_operands(const std::vector<int64_t>& images, const std::vector<int64_t>& sample_ids,
                          const std::vector<int64_t>& seed, const std::vector<int64_t>& epoch) {
  require(images.size() == 4, kWhere, "expected images uint8[batch, height, width, channels]; found shape ",
          text_of(images));
  require(images[0] >= 0, kWhere, "expected a batch of at least 0 images; found ", images[0]);
  require(sample_ids.size() == 1 && sample_ids[0] == images[0], kWhere, "expected sample_ids int64[", images[0],
          "], one for each image; found shape ", text_of(sample_ids));
  require(seed.empty(), kWhere, "expected a scalar seed int64[]; found shape ", text_of(seed));
  require(epoch.empty(), kWhere, "expected a scalar epoch int64[]; found shape ", text_of(epoch));
  require(1 <= images[1] && images[1] <= kMaxSide && 1 <= images[2] && images[2] <= kMaxSide, kWhere,
          "expected an image height and width in 1..", kMaxSide, "; found ", images[1], "x", images[2]);
  check_channels({}, images[3]);
  return {static_cast<int32_t>(images[1]), static_cast<int32_t>(images[2]), static_cast<int32_t>(images[3])};
}

AugmentPlan make_plan(const AugmentSpec& spec, const ImageShape& input) {
  check_spec(spec);
  check_channels(spec, input.channels);
  require(1 <= input.height && input.height <= kMaxSide && 1 <= input.width && input.width <= kMaxSide, kWhere,
          "expected an image height and width in 1..", kMaxSide, "; found ", input.height, "x", input.width);

  AugmentPlan plan{};
  plan.spec = spec;
  plan.input = input;
  plan.output = {spec.height ? spec.height : input.height, spec.width ? spec.width : input.width, input.channels};
  plan.resizes = resizes(spec.crop);
  if (!plan.resizes) {
    require(spec.border == Border::kZero || spec.pad < std::min(input.height, input.width), kWhere,
            "expected pad below ", std::min(input.height, input.width),
            ", the image's shorter side, with border = reflect; found ", spec.pad);
    const int32_t padded_height = input.height + 2 * spec.pad, padded_width = input.width + 2 * spec.pad;
    require(plan.output.height <= padded_height && plan.output.width <= padded_width, kWhere,
            "expected a crop of at most ", padded_height, "x", padded_width, " (the image ", input.height, "x",
            input.width, " with pad ", spec.pad, "); found ", plan.output.height, "x", plan.output.width,
            ". Make the crop smaller, pad more, or use crop = random_resized");
  }
  const int32_t longest = std::max(plan.output.height, plan.output.width);
  require(spec.crop != Crop::kRandomScaled || spec.short_side.low >= static_cast<float>(longest), kWhere,
          "expected short_side of at least ", longest, ", the longer side of the crop; found ", spec.short_side.low);
  require(plan.pixels() <= kMaxOutputPixels, kWhere, "expected an output of at most ", kMaxOutputPixels,
          " pixels; found ", plan.output.height, "x", plan.output.width);
  // Rounded to float so that C libraries whose log differs in the last bit agree.
  plan.log_aspect[0] = static_cast<float>(std::log(static_cast<double>(spec.aspect.low)));
  plan.log_aspect[1] = static_cast<float>(std::log(static_cast<double>(spec.aspect.high)));
  plan.policy = make_policy_plan(spec.policy, spec.policy_ops, spec.policy_magnitude, plan.output);
  plan.mixes_channels = !(spec.saturation.low == 1.0f && spec.saturation.high == 1.0f);
  plan.needs_sums = spec.normalize == Normalize::kImage || !(spec.contrast.low == 1.0f && spec.contrast.high == 1.0f);
  return plan;
}

}  // namespace lambda_fast
