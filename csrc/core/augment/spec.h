// What an augmentation does, as plain values: one line a field, read by every seam through visit_fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/augment/policy.h"
#include "core/base/batch_view.h"

namespace lambda_fast {

enum class Crop : int32_t {
  kCenter,         // the middle of the padded image
  kRandom,         // anywhere in the padded image
  kRandomResized,  // a window of random area and aspect, resized bilinearly (Szegedy et al., 2014)
  kRandomScaled,   // anywhere in the image after its short side is resized to a random length (Simonyan, 2014)
};
enum class Normalize : int32_t {
  kNone,      // pixel values 0..255 as they are
  kChannels,  // (x - mean[c]) / std[c]
  kImage,     // (x - mean) / max(std, 1 / sqrt(elements)) of the image itself
};

enum class Border : int32_t {
  kZero,
  kReflect,  // the image mirrored at its edge pixels, which are not repeated
};

// A range [low, high] that is drawn from uniformly; low == high switches the dice off.
struct Range {
  float low, high;
};

struct AugmentSpec {
  int32_t height = 0;  // of the output, pixels; 0: as the input
  int32_t width = 0;
  int32_t pad = 0;                // pixels added on each side before the crop
  Border border = Border::kZero;  // what they show
  Crop crop = Crop::kCenter;
  Range area{0.08f, 1.0f};           // random_resized: share of the image's area
  Range aspect{0.75f, 4.0f / 3.0f};  // random_resized: width / height, uniform in its logarithm
  Range short_side{256.0f, 512.0f};  // random_scaled: pixels
  float flip = 0.0f;                 // probability of a left-right flip
  bool alternate_flip = false;       // the die is thrown once a sample, and each epoch mirrors what the last one showed
  Policy policy = Policy::kNone;     // operations on the uint8 pixels, before the colours that follow
  int32_t policy_ops = 2;            // rand_augment: operations in turn
  int32_t policy_magnitude = 9;      // rand_augment: their strength, 0 to 30
  float brightness = 0.0f;           // largest shift, in pixel values; drawn from [-brightness, brightness)
  Range contrast{1.0f, 1.0f};        // factor about each channel's mean over the image
  Range saturation{1.0f, 1.0f};      // factor about each pixel's luma
  Normalize normalize = Normalize::kNone;
  float mean[3] = {0.0f, 0.0f, 0.0f};  // pixel values
  float std[3] = {1.0f, 1.0f, 1.0f};
  int32_t cutout = 0;  // side of the square set to 0 after normalisation (DeVries and Taylor, 2017)
};

// Calls visit(name, field) for each field. `Spec` is AugmentSpec, const or not. Fields are int32_t, bool, float, Range,
// float[3], Crop, Normalize, Border or Policy; a seam that can carry these carries any new field that is added here.
template <class Spec, class Visitor>
void visit_fields(Spec& spec, Visitor&& visit) {
  visit("height", spec.height);
  visit("width", spec.width);
  visit("pad", spec.pad);
  visit("border", spec.border);
  visit("crop", spec.crop);
  visit("area", spec.area);
  visit("aspect", spec.aspect);
  visit("short_side", spec.short_side);
  visit("flip", spec.flip);
  visit("alternate_flip", spec.alternate_flip);
  visit("policy", spec.policy);
  visit("policy_ops", spec.policy_ops);
  visit("policy_magnitude", spec.policy_magnitude);
  visit("brightness", spec.brightness);
  visit("contrast", spec.contrast);
  visit("saturation", spec.saturation);
  visit("normalize", spec.normalize);
  visit("mean", spec.mean);
  visit("std", spec.std);
  visit("cutout", spec.cutout);
}

// Names of the enumerators, and back; an unknown name is an error that lists the known ones.
const char* name_of(Crop crop);
const char* name_of(Normalize normalize);
const char* name_of(Border border);
const char* name_of(Policy policy);
void parse_name(const std::string& name, Crop* crop);
void parse_name(const std::string& name, Normalize* normalize);
void parse_name(const std::string& name, Border* border);
void parse_name(const std::string& name, Policy* policy);

// The spec made ready for one input shape: what is the same for all images is computed here once, on the host.
struct AugmentPlan {
  AugmentSpec spec;
  ImageShape input;
  ImageShape output;
  float log_aspect[2];
  PolicyPlan policy;
  bool resizes;         // the window is resized to the output's size
  bool needs_sums;      // contrast or per-image normalisation look at the whole image first
  bool mixes_channels;  // saturation: the colour transform is a full matrix

  constexpr int64_t pixels() const { return int64_t{output.height} * output.width; }
};

// Checks values alone (ranges, finiteness). Raises Error.
void check_spec(const AugmentSpec& spec);

// Checks what is known from the number of channels alone. Raises Error.
void check_channels(const AugmentSpec& spec, int64_t channels);

// Checks the extents of the four operands (see augment.h) and returns the images' shape. Raises Error.
ImageShape check_operands(const std::vector<int64_t>& images, const std::vector<int64_t>& sample_ids,
                          const std::vector<int64_t>& seed, const std::vector<int64_t>& epoch);

// Checks the spec against an input shape and returns the plan. Raises Error.
AugmentPlan make_plan(const AugmentSpec& spec, const ImageShape& input);

}  // namespace lambda_fast
