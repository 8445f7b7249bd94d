// Resizes windows of images of any size to one size: a batch.
//
// Bilinear: each output value is the weighted mean of the source's pixels under a triangle. Its half width is one
// source pixel or, with antialiasing, as Pillow, torchvision and DALI have it, one output pixel where the image
// shrinks. All in integers, defined in csrc/README.md.
#pragma once

#include <cstdint>
#include <vector>

#include "core/augment/draw.h"
#include "core/base/batch_view.h"
#include "core/base/context.h"

namespace lambda_fast {

// Somebody else's uint8 image, dense, [height, width, channels].
struct ImageView {
  const uint8_t* pixels;
  ImageShape shape;
};

// Throws unless the window lies inside of the image and is not empty.
void check_window(const Window& window, const ImageShape& image);

// Writes output [count, output.height, output.width, output.channels]; windows[i] is the part of images[i] that is
// shown. All images have the output's channels, 1 or 3.
void resize_cpu(uint8_t* output, const ImageShape& output_shape, const ImageView* images, const Window* windows,
                int64_t count, bool antialias, const Context& context);

// ---- one axis of it ----

inline constexpr int kWeightBits = 14;  // weights of an output value sum to 2^14 exactly

// Which source positions make each output position: [first[i], first[i] + count[i]), with the weights at
// weights[i * taps]. `taps` is even, and what lies behind the last weight is 0.
struct AxisFilter {
  int32_t taps = 0;
  std::vector<int32_t> first, count;
  std::vector<int16_t> weights;
};

// Buffers of `filter` are kept where they are large enough.
void triangle_filter(int32_t source_size, int32_t output_size, bool antialias, AxisFilter& filter);

}  // namespace lambda_fast
