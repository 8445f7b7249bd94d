// draw(plan, key): throws all dice for one image and says where its pixels come from and how its colours change.
//
// Geometry stays apart from colour, so that masks and boxes can follow the same geometry.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/augment/spec.h"
#include "core/base/philox.h"

namespace lambda_fast {

// Rows [y, y + height) and columns [x, x + width).
struct Window {
  int32_t y, x, height, width;
};

struct Geometry {
  Window window;  // in the input's coordinates; reaches outside of the image where padding shows
  bool flip;
  Window cutout;  // in the output's coordinates, clipped to it; height 0 when off
};

struct Colour {
  double brightness, contrast, saturation;
};

struct Draw {
  Geometry geometry;
  Colour colour;
};

// exp for |x| <= 5, to about 1e-15, by +, * and / alone: the C library's would differ between host and device.
LF_HOST_DEVICE double portable_exp(double x) {
  constexpr int kTerms = 12, kSquarings = 5;
  const double y = x * (1.0 / (1 << kSquarings));
  double sum = 1.0;
  for (int k = kTerms; k >= 1; --k) sum = 1.0 + sum * y / k;
  for (int i = 0; i < kSquarings; ++i) sum = sum * sum;
  return sum;
}

LF_HOST_DEVICE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
LF_HOST_DEVICE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
LF_HOST_DEVICE double rounded(double x) { return std::floor(x + 0.5); }

// The largest centred window whose aspect lies in the plan's range.
LF_HOST_DEVICE Window fallback_window(const AugmentPlan& plan) {
  const int32_t height = plan.input.height, width = plan.input.width;
  const double aspect = static_cast<double>(width) / height;
  int32_t h = height, w = width;
  if (aspect < plan.spec.aspect.low) {
    h = larger(1, smaller(height, static_cast<int32_t>(rounded(width / static_cast<double>(plan.spec.aspect.low)))));
  } else if (aspect > plan.spec.aspect.high) {
    w = larger(1, smaller(width, static_cast<int32_t>(rounded(height * static_cast<double>(plan.spec.aspect.high)))));
  }
  return {(height - h) / 2, (width - w) / 2, h, w};
}

// Ten tries at a window of random area and aspect that fits, as in torchvision and Inception's preprocessing.
LF_HOST_DEVICE Window resized_crop_window(const AugmentPlan& plan, const SampleKey& key) {
  constexpr uint32_t kAttempts = 10;
  const int32_t height = plan.input.height, width = plan.input.width;
  for (uint32_t attempt = 0; attempt < kAttempts; ++attempt) {
    const PhiloxBlock block = dice(key, kDiceResizedCrop + attempt);
    const double area =
        static_cast<double>(height) * width * between(block.word[0], plan.spec.area.low, plan.spec.area.high);
    const double aspect = portable_exp(between(block.word[1], plan.log_aspect[0], plan.log_aspect[1]));
    const double w = rounded(std::sqrt(area * aspect)), h = rounded(std::sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int32_t window_height = static_cast<int32_t>(h), window_width = static_cast<int32_t>(w);
    return {below(block.word[2], height - window_height + 1), below(block.word[3], width - window_width + 1),
            window_height, window_width};
  }
  return fallback_window(plan);
}

// A window that has the crop's size once the image's short side is resized to a random length.
LF_HOST_DEVICE Window scaled_crop_window(const AugmentPlan& plan, const SampleKey& key) {
  const PhiloxBlock block = dice(key, kDiceResizedCrop);
  const int32_t height = plan.input.height, width = plan.input.width;
  const double scale =
      smaller(height, width) / between(block.word[0], plan.spec.short_side.low, plan.spec.short_side.high);
  const int32_t h = larger(1, smaller(height, static_cast<int32_t>(rounded(plan.output.height * scale))));
  const int32_t w = larger(1, smaller(width, static_cast<int32_t>(rounded(plan.output.width * scale))));
  return {below(block.word[2], height - h + 1), below(block.word[3], width - w + 1), h, w};
}

LF_HOST_DEVICE Draw draw(const AugmentPlan& plan, const SampleKey& key) {
  const AugmentSpec& spec = plan.spec;
  const PhiloxBlock geometry = dice(key, kDiceGeometry), colour = dice(key, kDiceColour);
  Draw result;

  if (spec.crop == Crop::kRandomResized) {
    result.geometry.window = resized_crop_window(plan, key);
  } else if (spec.crop == Crop::kRandomScaled) {
    result.geometry.window = scaled_crop_window(plan, key);
  } else {
    const int32_t rows = plan.input.height + 2 * spec.pad - plan.output.height;
    const int32_t columns = plan.input.width + 2 * spec.pad - plan.output.width;
    const bool random = spec.crop == Crop::kRandom;
    const int32_t y = random ? below(geometry.word[0], rows + 1) : rows / 2;
    const int32_t x = random ? below(geometry.word[1], columns + 1) : columns / 2;
    result.geometry.window = {y - spec.pad, x - spec.pad, plan.output.height, plan.output.width};
  }
  if (spec.alternate_flip) {
    const bool first = unit_interval(dice({key.seed, key.sample, 0}, kDiceGeometry).word[2]) < spec.flip;
    result.geometry.flip = first != (key.epoch % 2 == 1);
  } else {
    result.geometry.flip = unit_interval(geometry.word[2]) < spec.flip;
  }

  result.geometry.cutout = {0, 0, 0, 0};
  if (spec.cutout > 0) {
    const int32_t top = below(colour.word[2], plan.output.height) - spec.cutout / 2;
    const int32_t left = below(colour.word[3], plan.output.width) - spec.cutout / 2;
    const int32_t y = larger(0, top), x = larger(0, left);
    result.geometry.cutout = {y, x, smaller(plan.output.height, top + spec.cutout) - y,
                              smaller(plan.output.width, left + spec.cutout) - x};
  }

  result.colour.brightness = between(geometry.word[3], -static_cast<double>(spec.brightness), spec.brightness);
  result.colour.contrast = between(colour.word[0], spec.contrast.low, spec.contrast.high);
  result.colour.saturation = between(colour.word[1], spec.saturation.low, spec.saturation.high);
  return result;
}

}  // namespace lambda_fast
