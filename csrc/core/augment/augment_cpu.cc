// The augmenter's loop on the CPU: images over threads, rows within an image.
//
// An image's cropped rows are made once, in a tile that stays in the cache, and summed on the way when the colour map
// asks for sums; then they are mapped to floats. Where no sums are needed, one row at a time goes all the way.
#include <algorithm>
#include <vector>

#include "core/augment/augment.h"
#include "core/augment/colour.h"
#include "core/augment/pixel.h"
#include "core/augment/rows.h"

namespace lambda_fast {
namespace {

// One thread's work on one image after the other. Buffers grow to the largest plan and are kept for the next call.
class ImageWorker {
 public:
  void start(const AugmentPlan& plan) {
    plan_ = &plan;
    rows_ = &row_kernels();
    row_elements_ = plan.output.width * plan.output.channels;
    grow(tile_, (plan.needs_sums ? plan.output.elements() : row_elements_) + kRowSlack);
    grow(sum_, row_elements_);
    grow(square_, row_elements_);
    grow(scale_, row_elements_);
    grow(shift_, row_elements_);
    if (plan.spec.crop == Crop::kRandomResized) {
      grow(blended_, int64_t{plan.input.width} * plan.input.channels + kRowSlack);
      grow(offset_, plan.output.width);
      grow(weights_, plan.output.width);
    }
  }

  void augment(void* output, FloatType type, const uint8_t* image, const SampleKey& key) {
    const Draw dice = draw(*plan_, key);
    const int32_t height = plan_->output.height;
    if (plan_->spec.crop == Crop::kRandomResized) prepare_taps(dice.geometry);
    if (plan_->needs_sums) {
      for (int32_t y = 0; y < height; ++y) make_row(tile_.data() + int64_t{y} * row_elements_, dice.geometry, image, y);
    }
    const ColourMap map = colour_map(*plan_, dice.colour, plan_->needs_sums ? measure() : Moments{});
    for (int32_t i = 0; i < row_elements_; ++i) {
      const int c = i % plan_->output.channels;
      scale_[i] = map.matrix[c][c];
      shift_[i] = map.shift[c];
    }
    for (int32_t y = 0; y < height; ++y) {
      const uint8_t* row = tile_.data();
      if (plan_->needs_sums) {
        row += int64_t{y} * row_elements_;
      } else {
        make_row(tile_.data(), dice.geometry, image, y);
      }
      const int64_t first = int64_t{y} * row_elements_;
      if (type == FloatType::kFloat32) {
        float* out = static_cast<float*>(output) + first;
        plan_->mixes_channels ? rows_->mix_float32(out, row, map, plan_->output.width)
                              : rows_->scale_float32(out, row, scale_.data(), shift_.data(), row_elements_);
        cut_out(out, dice.geometry.cutout, y);
      } else {
        uint16_t* out = static_cast<uint16_t*>(output) + first;
        plan_->mixes_channels ? rows_->mix_bfloat16(out, row, map, plan_->output.width)
                              : rows_->scale_bfloat16(out, row, scale_.data(), shift_.data(), row_elements_);
        cut_out(out, dice.geometry.cutout, y);
      }
    }
  }

 private:
  template <class Value>
  static void grow(std::vector<Value>& buffer, int64_t count) {
    if (static_cast<int64_t>(buffer.size()) < count) buffer.resize(count);
  }

  void prepare_taps(const Geometry& geometry) {
    const int32_t width = plan_->output.width;
    for (int32_t x = 0; x < width; ++x) {
      const Tap tap = bilinear_tap(geometry.flip ? width - 1 - x : x, width, geometry.window.width);
      offset_[x] = tap.first * plan_->output.channels;
      weights_[x] = static_cast<uint32_t>(256 - tap.weight) | static_cast<uint32_t>(tap.weight) << 16;
    }
  }

  // The uint8 row y of the cropped image.
  void make_row(uint8_t* out, const Geometry& geometry, const uint8_t* image, int32_t y) {
    const Window& window = geometry.window;
    const int32_t channels = plan_->output.channels;
    const int64_t stride = int64_t{plan_->input.width} * channels;
    if (plan_->spec.crop == Crop::kRandomResized) {
      const Tap tap = bilinear_tap(y, plan_->output.height, window.height);
      const uint8_t* corner = image + window.y * stride + int64_t{window.x} * channels;
      rows_->blend_rows(blended_.data(), corner + tap.first * stride, corner + tap.second * stride, tap.weight,
                        window.width * channels);
      rows_->blend_columns(out, blended_.data(), {offset_.data(), weights_.data(), plan_->output.width}, channels);
      return;
    }
    // Columns [begin, end) of the window lie in the image; around them is padding.
    const int32_t source_y = window.y + y;
    int32_t begin = std::min(std::max(0, -window.x), window.width);
    int32_t end = std::max(begin, std::min(window.width, plan_->input.width - window.x));
    if (source_y < 0 || source_y >= plan_->input.height) begin = end = 0;
    const uint8_t* source = image + source_y * stride + int64_t{window.x + begin} * channels;
    const int32_t pixels = end - begin, before = geometry.flip ? window.width - end : begin;
    std::fill_n(out, before * channels, uint8_t{0});
    if (pixels > 0) {
      if (geometry.flip) {
        rows_->flip(out + before * channels, source, pixels, channels);
      } else {
        std::copy_n(source, pixels * channels, out + before * channels);
      }
    }
    std::fill(out + (before + pixels) * channels, out + row_elements_, uint8_t{0});
  }

  Moments measure() {
    const bool squares = plan_->spec.normalize == Normalize::kImage;
    const int channels = plan_->output.channels;
    std::fill_n(sum_.begin(), row_elements_, 0u);
    std::fill_n(square_.begin(), row_elements_, 0u);
    for (int32_t y = 0; y < plan_->output.height; ++y) {
      rows_->accumulate(sum_.data(), squares ? square_.data() : nullptr, tile_.data() + int64_t{y} * row_elements_,
                        row_elements_);
    }
    Moments moments{};
    for (int32_t i = 0; i < row_elements_; ++i) {
      moments.sum[i % channels] += sum_[i];
      moments.product[i % channels][i % channels] += square_[i];
    }
    if (squares && plan_->mixes_channels) {
      const int64_t elements = plan_->output.elements();
      for (int64_t i = 0; i < elements; i += 3) {
        const int32_t r = tile_[i], g = tile_[i + 1], b = tile_[i + 2];
        moments.product[0][1] += r * g;
        moments.product[0][2] += r * b;
        moments.product[1][2] += g * b;
      }
    }
    return moments;
  }

  template <class Value>
  void cut_out(Value* row, const Window& cutout, int32_t y) {
    if (y < cutout.y || y >= cutout.y + cutout.height || cutout.width <= 0) return;
    std::fill_n(row + int64_t{cutout.x} * plan_->output.channels, int64_t{cutout.width} * plan_->output.channels,
                Value{0});
  }

  const AugmentPlan* plan_ = nullptr;
  const RowKernels* rows_ = nullptr;
  int32_t row_elements_ = 0;
  std::vector<uint8_t> tile_;
  std::vector<uint32_t> sum_, square_;
  std::vector<float> scale_, shift_;
  std::vector<int16_t> blended_;
  std::vector<int32_t> offset_;
  std::vector<uint32_t> weights_;
};

}  // namespace

void augment_cpu(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
                 const Context& context) {
  const int64_t in_stride = plan.input.elements();
  const int64_t out_stride = plan.output.elements() * (output.type == FloatType::kFloat32 ? 4 : 2);
  const uint64_t seed = static_cast<uint64_t>(*key.seed);
  const uint32_t epoch = static_cast<uint32_t>(*key.epoch);
  // Small enough for a fair share, large enough (about 100 kB of output) that taking a piece costs nothing beside it.
  const int64_t threads = context.executor ? context.executor->threads() : 1;
  const int64_t grain =
      std::clamp<int64_t>(images.count / (4 * threads), 1, std::max<int64_t>(1, (1 << 17) / out_stride));
  parallel_for(context, images.count, grain, [&](int64_t begin, int64_t end) {
    thread_local ImageWorker worker;
    worker.start(plan);
    for (int64_t i = begin; i < end; ++i) {
      worker.augment(static_cast<char*>(output.values) + i * out_stride, output.type, images.pixels + i * in_stride,
                     {seed, static_cast<uint64_t>(images.sample_ids[i]), epoch});
    }
  });
}

}  // namespace lambda_fast
