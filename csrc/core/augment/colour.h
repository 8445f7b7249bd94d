// The colour chain of one image, folded into a single affine map of its pixels.
//
// Brightness, contrast about the image's mean, hue and saturation about luma, and normalisation are each affine in the
// pixel, so their composition is out[c] = sum_d matrix[c][d] * pixel[d] + shift[c]. What the chain must know of the
// image are integer sums over its pixels, which are the same in any order. Everything up to the final rounding to float
// is double.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/augment/draw.h"
#include "core/augment/spec.h"

namespace lambda_fast {

// Sums over the pixels of one cropped image, padding included.
struct Moments {
  int64_t sum[3];         // of channel c
  int64_t product[3][3];  // of channel c times channel d, c <= d; off the diagonal only when channels are mixed
};

struct ColourMap {
  float matrix[3][3];
  float shift[3];
};

// Rec. 601 luma.
LF_HOST_DEVICE double luma_weight(int c) { return c == 0 ? 0.299 : c == 1 ? 0.587 : 0.114; }

// The turn of hues, which keeps luma and greys: a rotation of the two colour axes of YIQ, seen from RGB.
struct HueTurn {
  double matrix[3][3];
};

// By sums and products alone, as portable_exp; |degrees| <= 180. Positive ones turn red to yellow.
LF_HOST_DEVICE HueTurn hue_turn(double degrees) {
  constexpr double kSide[3][3] = {
      {-0.16774, -0.32931, 0.49705}, {0.328113, -0.035467, -0.292646}, {-1.249546, 1.046339, 0.203207}};
  constexpr int kTerms = 13;
  const double x = degrees * 3.14159265358979323846 / 180.0, square = x * x;
  double cosine = 1.0, sine = 1.0;
  for (int k = kTerms; k >= 1; --k) {
    cosine = 1.0 - cosine * square / ((2 * k - 1) * (2 * k));
    sine = 1.0 - sine * square / ((2 * k) * (2 * k + 1));
  }
  sine = sine * x;
  HueTurn turn;
  for (int c = 0; c < 3; ++c) {
    for (int d = 0; d < 3; ++d) {
      turn.matrix[c][d] = luma_weight(d) + cosine * ((c == d ? 1.0 : 0.0) - luma_weight(d)) + sine * kSide[c][d];
    }
  }
  return turn;
}

LF_HOST_DEVICE ColourMap colour_map(const AugmentPlan& plan, const Colour& colour, const Moments& moments) {
  const int channels = plan.output.channels;
  const double pixels = static_cast<double>(int64_t{plan.output.height} * plan.output.width);
  const double keep = colour.saturation, grey = 1.0 - colour.saturation;

  // Brightness and contrast: contrast * (x - mean) + mean + brightness.
  double mean[3] = {0, 0, 0}, offset[3] = {0, 0, 0}, offset_luma = 0;
  for (int c = 0; c < channels; ++c) {
    mean[c] = plan.needs_sums ? static_cast<double>(moments.sum[c]) / pixels : 0.0;
    offset[c] = (1.0 - colour.contrast) * mean[c] + colour.brightness;
    offset_luma = offset_luma + luma_weight(c) * offset[c];
  }
  // Hue, then saturation: saturation * (turned - luma) + luma.
  HueTurn turn = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  double turned[3] = {offset[0], offset[1], offset[2]};
  if (plan.spec.hue > 0) {
    turn = hue_turn(colour.hue);
    for (int c = 0; c < 3; ++c) {
      turned[c] = turn.matrix[c][0] * offset[0] + turn.matrix[c][1] * offset[1] + turn.matrix[c][2] * offset[2];
    }
  }
  double matrix[3][3] = {}, shift[3] = {0, 0, 0};
  for (int c = 0; c < channels; ++c) {
    if (plan.mixes_channels) {
      for (int d = 0; d < channels; ++d) {
        matrix[c][d] = colour.contrast * (keep * turn.matrix[c][d] + grey * luma_weight(d));
      }
      shift[c] = keep * turned[c] + grey * offset_luma;
    } else {
      matrix[c][c] = colour.contrast;
      shift[c] = offset[c];
    }
  }

  if (plan.spec.normalize == Normalize::kChannels) {
    for (int c = 0; c < channels; ++c) {
      const double scale = static_cast<double>(plan.spec.std[c]);
      for (int d = 0; d < channels; ++d) matrix[c][d] = matrix[c][d] / scale;
      shift[c] = (shift[c] - plan.spec.mean[c]) / scale;
    }
  } else if (plan.spec.normalize == Normalize::kImage) {
    double channel_mean[3] = {0, 0, 0}, image_mean = 0;
    for (int c = 0; c < channels; ++c) {
      channel_mean[c] = shift[c];
      for (int d = 0; d < channels; ++d) channel_mean[c] = channel_mean[c] + matrix[c][d] * mean[d];
      image_mean = image_mean + channel_mean[c];
    }
    image_mean = image_mean / channels;
    // Covariances from integers, so that nothing cancels: pixels^2 * cov = pixels * sum(xy) - sum(x) * sum(y).
    const int64_t count = int64_t{plan.output.height} * plan.output.width;
    double variance = 0;
    for (int c = 0; c < channels; ++c) {
      for (int d = 0; d < channels; ++d) {
        for (int e = 0; e < channels; ++e) {
          if (!plan.mixes_channels && (d != c || e != c)) continue;
          const int64_t product = d <= e ? moments.product[d][e] : moments.product[e][d];
          const double covariance =
              static_cast<double>(count * product - moments.sum[d] * moments.sum[e]) / pixels / pixels;
          variance = variance + matrix[c][d] * matrix[c][e] * covariance;
        }
      }
      variance = variance + (channel_mean[c] - image_mean) * (channel_mean[c] - image_mean);
    }
    variance = variance / channels;
    const double deviation = std::sqrt(variance > 0 ? variance : 0.0);
    const double least = 1.0 / std::sqrt(pixels * channels);
    const double scale = deviation > least ? deviation : least;
    for (int c = 0; c < channels; ++c) {
      for (int d = 0; d < channels; ++d) matrix[c][d] = matrix[c][d] / scale;
      shift[c] = (shift[c] - image_mean) / scale;
    }
  }

  ColourMap map{};
  for (int c = 0; c < channels; ++c) {
    for (int d = 0; d < channels; ++d) map.matrix[c][d] = static_cast<float>(matrix[c][d]);
    map.shift[c] = static_cast<float>(shift[c]);
  }
  return map;
}

// Full map for one channel: ((m0 * r + m1 * g) + m2 * b) + shift, each step rounded to float.
LF_HOST_DEVICE float mixed(const ColourMap& map, int c, float r, float g, float b) {
  return ((map.matrix[c][0] * r + map.matrix[c][1] * g) + map.matrix[c][2] * b) + map.shift[c];
}

// The map when channels are not mixed.
LF_HOST_DEVICE float scaled(const ColourMap& map, int c, float value) {
  return map.matrix[c][c] * value + map.shift[c];
}

}  // namespace lambda_fast
