// The augmenter's loop on the CPU: images over threads, bands of rows within an image.
//
// A band's cropped rows are made in a tile that stays in the cache, then mapped to floats in one sweep. Where the
// colour map asks for sums, or a policy for its operations, the band is the whole image and the tile is worked on in
// between.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/augment/augment.h"
#include "core/augment/colour.h"
#include "core/augment/pixel.h"
#include "core/augment/policy_cpu.h"
#include "core/augment/rows.h"
#include "core/base/permutation.h"

namespace lambda_fast {
namespace {

// One thread's work on one image after the other. Buffers grow to the largest plan and are kept for the next call.
class ImageWorker {
 public:
  void start(const AugmentPlan& plan) {
    constexpr int32_t kBandBytes = 1 << 13;
    plan_ = &plan;
    rows_ = &row_kernels();
    row_elements_ = plan.output.width * plan.output.channels;
    const bool whole = plan.needs_sums || plan.policy.steps > 0;
    band_ = whole ? plan.output.height : std::clamp(kBandBytes / row_elements_, 1, plan.output.height);
    grow(tile_, int64_t{band_} * row_elements_ + kRowSlack);
    if (plan.policy.steps > 0) grow(spare_, plan.output.elements() + kRowSlack);
    if (plan.resizes) {
      grow(blended_, int64_t{plan.input.width} * plan.input.channels + kRowSlack);
      grow(offset_, plan.output.width);
      grow(weights_, plan.output.width);
    }
  }

  template <class Value>
  void augment(Value* output, const uint8_t* image, const SampleKey& key) {
    const Draw dice = draw(*plan_, key);
    if (plan_->resizes) {
      prepare_taps(dice.geometry);
    } else {
      prepare_visible(dice.geometry);
    }
    ColourMap map;
    if (!plan_->needs_sums) prepare_colours(&map, dice.colour, Moments{});
    for (int32_t begin = 0; begin < plan_->output.height; begin += band_) {
      const int32_t end = std::min(plan_->output.height, begin + band_);
      for (int32_t y = begin; y < end; ++y) {
        make_row(tile_.data() + int64_t{y - begin} * row_elements_, dice.geometry, image, y);
      }
      if (plan_->policy.steps > 0) {
        uint8_t* result = apply_policy_cpu(tile_.data(), spare_.data(), plan_->output, plan_->policy, key);
        if (result != tile_.data()) tile_.swap(spare_);
      }
      if (plan_->needs_sums) prepare_colours(&map, dice.colour, measure());
      convert(output + int64_t{begin} * row_elements_, int64_t{end - begin} * row_elements_, map);
    }
    cut_out(output, dice.geometry.cutout);
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

  // Which columns of a row show the image; the others show padding.
  void prepare_visible(const Geometry& geometry) {
    const Window& window = geometry.window;
    const int32_t begin = std::min(std::max(0, -window.x), window.width);
    const int32_t end = std::max(begin, std::min(window.width, plan_->input.width - window.x));
    visible_ = {window.x + begin, geometry.flip ? window.width - end : begin, end - begin};
  }

  // The uint8 row y of the cropped image.
  void make_row(uint8_t* out, const Geometry& geometry, const uint8_t* image, int32_t y) {
    const Window& window = geometry.window;
    const int32_t channels = plan_->output.channels;
    const int64_t stride = int64_t{plan_->input.width} * channels;
    if (plan_->resizes) {
      const Tap tap = bilinear_tap(y, plan_->output.height, window.height);
      const uint8_t* corner = image + window.y * stride + int64_t{window.x} * channels;
      rows_->blend_rows(blended_.data(), corner + tap.first * stride, corner + tap.second * stride, tap.weight,
                        window.width * channels);
      rows_->blend_columns(out, blended_.data(), {offset_.data(), weights_.data(), plan_->output.width}, channels);
      return;
    }
    const bool mirrored = plan_->spec.border == Border::kReflect;
    const int32_t source_y = mirrored ? reflected(window.y + y, plan_->input.height) : window.y + y;
    if (!mirrored && (source_y < 0 || source_y >= plan_->input.height || visible_.pixels == 0)) {
      std::memset(out, 0, row_elements_);
      return;
    }
    const uint8_t* row = image + source_y * stride;
    const int32_t before = visible_.before * channels, values = visible_.pixels * channels;
    if (visible_.pixels > 0) {
      const uint8_t* source = row + int64_t{visible_.source_x} * channels;
      if (geometry.flip) {
        rows_->flip(out + before, source, visible_.pixels, channels);
      } else {
        std::memcpy(out + before, source, values);
      }
    }
    // The padding comes last: flip may write one byte beyond its end.
    if (mirrored) {
      for (int32_t x = 0; x < visible_.before; ++x) mirror_pixel(out, geometry, row, x);
      for (int32_t x = visible_.before + visible_.pixels; x < window.width; ++x) mirror_pixel(out, geometry, row, x);
    } else {
      std::memset(out, 0, before);
      std::memset(out + before + values, 0, row_elements_ - before - values);
    }
  }

  // Pixel x of a row of the output, mirrored where it lies outside of the image's row.
  void mirror_pixel(uint8_t* out, const Geometry& geometry, const uint8_t* row, int32_t x) const {
    const int32_t channels = plan_->output.channels;
    const int32_t column = geometry.flip ? plan_->output.width - 1 - x : x;
    const int32_t source = reflected(geometry.window.x + column, plan_->input.width);
    for (int32_t c = 0; c < channels; ++c) out[x * channels + c] = row[source * channels + c];
  }

  // Sums over the tile, which holds the whole image.
  Moments measure() {
    const int64_t elements = plan_->output.elements();
    const int channels = plan_->output.channels;
    Moments moments{};
    for (int64_t begin = 0; begin < elements; begin += kAccumulateLimit) {
      uint32_t sum[kPattern] = {}, square[kPattern] = {};
      rows_->accumulate(sum, square, tile_.data() + begin, std::min(kAccumulateLimit, elements - begin));
      for (int i = 0; i < kPattern; i += channels) {
        for (int c = 0; c < channels; ++c) {
          moments.sum[c] += sum[i + c];
          moments.product[c][c] += square[i + c];
        }
      }
    }
    if (plan_->spec.normalize == Normalize::kImage && plan_->mixes_channels) {
      for (int64_t i = 0; i < elements; i += 3) {
        const int32_t r = tile_[i], g = tile_[i + 1], b = tile_[i + 2];
        moments.product[0][1] += r * g;
        moments.product[0][2] += r * b;
        moments.product[1][2] += g * b;
      }
    }
    return moments;
  }

  void prepare_colours(ColourMap* map, const Colour& colour, const Moments& moments) {
    *map = colour_map(*plan_, colour, moments);
    const int channels = plan_->output.channels;
    for (int i = 0; i < kPattern; i += channels) {
      for (int c = 0; c < channels; ++c) {
        scale_[i + c] = map->matrix[c][c];
        shift_[i + c] = map->shift[c];
      }
    }
  }

  void convert(float* out, int64_t count, const ColourMap& map) {
    plan_->mixes_channels ? rows_->mix_float32(out, tile_.data(), map, count / 3)
                          : rows_->scale_float32(out, tile_.data(), scale_, shift_, count);
  }

  void convert(uint16_t* out, int64_t count, const ColourMap& map) {
    plan_->mixes_channels ? rows_->mix_bfloat16(out, tile_.data(), map, count / 3)
                          : rows_->scale_bfloat16(out, tile_.data(), scale_, shift_, count);
  }

  template <class Value>
  void cut_out(Value* output, const Window& cutout) {
    if (cutout.width <= 0) return;
    const int64_t channels = plan_->output.channels;
    for (int32_t y = cutout.y; y < cutout.y + cutout.height; ++y) {
      std::fill_n(output + int64_t{y} * row_elements_ + cutout.x * channels, cutout.width * channels, Value{0});
    }
  }

  const AugmentPlan* plan_ = nullptr;
  const RowKernels* rows_ = nullptr;
  int32_t row_elements_ = 0, band_ = 0;
  struct {
    int32_t source_x, before, pixels;
  } visible_;
  float scale_[kPattern], shift_[kPattern];
  std::vector<uint8_t> tile_, spare_;
  std::vector<int16_t> blended_;
  std::vector<int32_t> offset_;
  std::vector<uint32_t> weights_;
};

}  // namespace

void augment_cpu(FloatBatchView output, const ImageBatchView& images, EpochKeyView key, const AugmentPlan& plan,
                 const Context& context) {
  const uint64_t seed = static_cast<uint64_t>(*key.seed);
  const uint32_t epoch = checked_epoch(*key.epoch, "augment");
  // Small enough for a fair share, large enough (about 32,000 values) that taking a piece costs nothing beside it.
  const int64_t threads = context.executor ? context.executor->threads() : 1;
  const int64_t grain =
      std::clamp<int64_t>(images.count / (4 * threads), 1, std::max<int64_t>(1, (1 << 15) / plan.output.elements()));
  parallel_for(context, images.count, grain, [&](int64_t begin, int64_t end) {
    thread_local ImageWorker worker;
    worker.start(plan);
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* image = images.pixels + i * plan.input.elements();
      const SampleKey sample{seed, static_cast<uint64_t>(images.sample_ids[i]), epoch};
      if (output.type == FloatType::kFloat32) {
        worker.augment(static_cast<float*>(output.values) + i * plan.output.elements(), image, sample);
      } else {
        worker.augment(static_cast<uint16_t*>(output.values) + i * plan.output.elements(), image, sample);
      }
    }
  });
}

}  // namespace lambda_fast
