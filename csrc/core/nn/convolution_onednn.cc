// Convolution through oneDNN: plans by shape, and the loops over pieces of a batch.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <sstream>
#include <vector>

#include "core/base/error.h"
#include "core/nn/convolution.h"
#include "core/nn/kernel_gradient_bf16.h"
#include "core/nn/onednn.h"
#include "core/nn/own_kernels.h"
#include "core/nn/scratch.h"
#include "core/nn/tile_convolution_bf16.h"
#include "core/nn/tile_kernel_gradient_bf16.h"
#include "core/nn/widen_bf16.h"
#include "core/nn/winograd.h"

namespace lambda_fast {
namespace {

using dnnl::memory;

enum class Direction { kForward, kInput, kKernel };

// Operations that make a piece: a tenth of a millisecond or so, long against the hand-over to another thread and short
// against the step.
constexpr int64_t kPieceOperations = 40'000'000;

// Of the plain sum, where Winograd's takes less time: shorter pieces, so that threads end together.
constexpr int64_t kTransformedOperations = 20'000'000;

// Kernel gradients are summed by parts of the batch, which costs a pass over each part's sum.
constexpr int64_t kMostParts = 8;
constexpr int64_t kPartBytes = 4 << 20;

// One direction of a convolution over a piece of a batch, compiled; and the kernel's way between HWIO in float32 and
// the layout that oneDNN chose.
struct Plan {
  std::unique_ptr<Primitive> compute;
  std::vector<Primitive> reorder;  // to the chosen layout, by slices; for the kernel's gradient, back from it
  size_t kernel_bytes;             // in the chosen layout
};

// Values of a kernel that a thread takes at a time.
constexpr int64_t kGrain = 1 << 13;

// Of a piece that is widened to float32, with what comes out of it: half of a core's second cache.
constexpr int64_t kWidenedBytes = 1 << 20;

// Input channels of a kernel that are transformed at a time.
constexpr int64_t kRowsOfKernel = 16;

// Output channels of a slice of a kernel whose layout changes: a multiple of every block that oneDNN makes of them.
constexpr int64_t kSliceChannels = 64;

memory::data_type data_type(FloatType type) {
  return type == FloatType::kFloat32 ? memory::data_type::f32 : memory::data_type::bf16;
}

int64_t element_size(FloatType type) { return type == FloatType::kFloat32 ? 4 : 2; }

void add_reorder(std::vector<Primitive>& slices, const memory::desc& from, const memory::desc& to) {
  const dnnl::reorder::primitive_desc description(cpu_engine(), from, cpu_engine(), to, with_own_scratchpad());
  slices.emplace_back(dnnl::reorder(description), Primitive::Arguments{{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}},
                      description.scratchpad_desc());
}

std::vector<Primitive> reorder(const memory::desc& from, const memory::desc& to) {
  std::vector<Primitive> slices;
  memory::dims extents = from.get_dims(), offsets(extents.size(), 0);
  const int64_t channels = extents[0];
  const auto slice_of = [&](const memory::desc& desc) { return desc.submemory_desc(extents, offsets, true); };
  for (offsets[0] = 0; offsets[0] < channels; offsets[0] += kSliceChannels) {
    extents[0] = std::min(kSliceChannels, channels - offsets[0]);
    const memory::desc a = slice_of(from), b = slice_of(to);
    if (!a || !b) {  // oneDNN cannot cut this layout
      slices.clear();
      add_reorder(slices, from, to);
      break;
    }
    add_reorder(slices, a, b);
  }
  return slices;
}

void run_reorder(const Plan& plan, const void* from, void* to, const Context& context) {
  parallel_for(context, static_cast<int64_t>(plan.reorder.size()), 1, [&](int64_t begin, int64_t end) {
    const OneThread guard;
    for (int64_t i = begin; i < end; ++i) plan.reorder[i].run({const_cast<void*>(from), to});
  });
}

Plan make_plan(Direction direction, FloatType type, const ConvolutionShape& shape) {
  using Tag = memory::format_tag;
  const OneThread guard;  // compiled for the one thread that will run it
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const auto f32 = memory::data_type::f32;
  const memory::desc input({shape.count, shape.in_channels, shape.height, shape.width}, data_type(type), Tag::nhwc);
  const memory::desc output({shape.count, shape.out_channels, shape.out_height(), shape.out_width()}, data_type(type),
                            Tag::nhwc);
  const memory::dims kernel{shape.out_channels, shape.in_channels, shape.kernel_height, shape.kernel_width};
  const memory::desc dense_kernel(kernel, f32, Tag::hwio);
  const memory::desc chosen_kernel(kernel, data_type(type), Tag::any);
  const memory::dims strides{shape.stride[0], shape.stride[1]};
  const memory::dims before{shape.pad_top, shape.pad_left}, after{shape.pad_bottom, shape.pad_right};
  const auto attributes = with_own_scratchpad();
  const dnnl::convolution_forward::primitive_desc forward(cpu_engine(), dnnl::prop_kind::forward_training, algorithm,
                                                          input, chosen_kernel, output, strides, before, after,
                                                          attributes);
  Plan plan;
  if (direction == Direction::kForward) {
    plan.kernel_bytes = forward.weights_desc().get_size();
    plan.reorder = reorder(dense_kernel, forward.weights_desc());
    plan.compute = std::make_unique<Primitive>(
        dnnl::convolution_forward(forward),
        Primitive::Arguments{{DNNL_ARG_DST, output}, {DNNL_ARG_SRC, input}, {DNNL_ARG_WEIGHTS, forward.weights_desc()}},
        forward.scratchpad_desc());
  } else if (direction == Direction::kInput) {
    const dnnl::convolution_backward_data::primitive_desc backward(cpu_engine(), algorithm, input, chosen_kernel,
                                                                   output, strides, before, after, forward, attributes);
    plan.kernel_bytes = backward.weights_desc().get_size();
    plan.reorder = reorder(dense_kernel, backward.weights_desc());
    plan.compute = std::make_unique<Primitive>(
        dnnl::convolution_backward_data(backward),
        Primitive::Arguments{
            {DNNL_ARG_DIFF_SRC, input}, {DNNL_ARG_DIFF_DST, output}, {DNNL_ARG_WEIGHTS, backward.weights_desc()}},
        backward.scratchpad_desc());
  } else {
    const memory::desc gradient(kernel, f32, Tag::any);
    const dnnl::convolution_backward_weights::primitive_desc backward(cpu_engine(), algorithm, input, gradient, output,
                                                                      strides, before, after, forward, attributes);
    plan.kernel_bytes = backward.diff_weights_desc().get_size();
    plan.reorder = reorder(backward.diff_weights_desc(), dense_kernel);
    plan.compute = std::make_unique<Primitive>(
        dnnl::convolution_backward_weights(backward),
        Primitive::Arguments{
            {DNNL_ARG_DIFF_WEIGHTS, backward.diff_weights_desc()}, {DNNL_ARG_SRC, input}, {DNNL_ARG_DIFF_DST, output}},
        backward.scratchpad_desc());
  }
  return plan;
}

// Kept for the life of the process: a program meets few shapes, and each is compiled once.
const Plan& plan_for(Direction direction, FloatType type, ConvolutionShape shape, int64_t count) {
  shape.count = count;
  using Key = std::array<int64_t, 15>;
  const Key key{static_cast<int64_t>(direction),
                static_cast<int64_t>(type),
                shape.count,
                shape.height,
                shape.width,
                shape.in_channels,
                shape.kernel_height,
                shape.kernel_width,
                shape.out_channels,
                shape.stride[0],
                shape.stride[1],
                shape.pad_top,
                shape.pad_bottom,
                shape.pad_left,
                shape.pad_right};
  // Never destroyed: threads of a pool may outlive main.
  static auto& mutex = *new std::shared_mutex;
  static auto& plans = *new std::map<Key, Plan>;  // its nodes stay where they are
  {
    const std::shared_lock<std::shared_mutex> lock(mutex);
    const auto found = plans.find(key);
    if (found != plans.end()) return found->second;
  }
  const std::unique_lock<std::shared_mutex> lock(mutex);
  const auto found = plans.find(key);
  if (found != plans.end()) return found->second;
  try {
    return plans.emplace(key, make_plan(direction, type, shape)).first->second;
  } catch (const dnnl::error& error) {
    fail(ErrorKind::kUnavailable, "conv2d",
         "expected a convolution that oneDNN has for this CPU; found its error: ", error.what(),
         type == FloatType::kBFloat16 ? ". It may have one for float32" : "");
  }
}

// Whether oneDNN runs bfloat16 on AMX. ONEDNN_MAX_CPU_ISA can forbid it that, and us.
bool uses_matrix_tiles() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_amx || isa == dnnl::cpu_isa::avx512_core_amx_fp16;
}

// Below: which of our own kernels may take a shape. Those of the instructions that oneDNN itself would use.

bool has_bfloat16_without_tiles() {
  static const bool has = has_fast_bfloat16() && !uses_matrix_tiles();
  return has;
}

bool prefers_dot_products(FloatType type) {
  return type == FloatType::kBFloat16 && has_bfloat16_without_tiles() && has_quick_dot_products();
}

// Whether bfloat16's values are computed with in float32.
bool is_widened(FloatType type) {
  return type == FloatType::kBFloat16 && has_bfloat16_without_tiles() && has_dot_products() &&
         !has_quick_dot_products();
}

bool prefers_tiles(FloatType type) {
  static const bool prefers = uses_matrix_tiles();
  return type == FloatType::kBFloat16 && prefers;
}

// A quarter of the multiplications, in float32: less time than dot products take, be they twice as quick.
bool prefers_winograd(FloatType type) {
  static const bool has_avx512 = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
  return type == FloatType::kFloat32 ? has_avx512 : has_bfloat16_without_tiles();
}

bool is_unstrided(const ConvolutionShape& shape) { return shape.stride[0] == 1 && shape.stride[1] == 1; }

// Images of each piece; the last piece may hold fewer.
int64_t images_per_piece(const ConvolutionShape& shape, int64_t operations = kPieceOperations) {
  const int64_t most = std::max<int64_t>(1, operations / std::max<int64_t>(1, shape.operations()));
  const int64_t pieces = (shape.count + most - 1) / most;
  return (shape.count + pieces - 1) / pieces;
}

// oneDNN's handles are not const, of what it only reads either.
void* at(const void* base, int64_t bytes) { return const_cast<char*>(static_cast<const char*>(base) + bytes); }

const uint16_t* halves(const void* images) { return static_cast<const uint16_t*>(images); }

float widened(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// To nearest, ties to even; NaN stays NaN.
uint16_t rounded(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t quiet = (bits >> 16) | 0x40u, nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(value == value ? nearest : quiet);
}

// values += addend, of a piece that was just computed and lies in the cache.
void add(void* values, const void* addend, FloatType type, int64_t count) {
  if (type == FloatType::kFloat32) {
    auto* to = static_cast<float*>(values);
    const auto* from = static_cast<const float*>(addend);
    for (int64_t i = 0; i < count; ++i) to[i] += from[i];
    return;
  }
  auto* to = static_cast<uint16_t*>(values);
  const uint16_t* from = halves(addend);
  for (int64_t i = 0; i < count; ++i) to[i] = rounded(widened(to[i]) + widened(from[i]));
}

int64_t input_bytes(const ConvolutionShape& shape, FloatType type) {
  return shape.height * shape.width * shape.in_channels * element_size(type);
}

int64_t output_bytes(const ConvolutionShape& shape, FloatType type) {
  return shape.out_height() * shape.out_width() * shape.out_channels * element_size(type);
}

float* widened_images(ScratchSlot slot, const void* images, int64_t count) {
  auto* wide = static_cast<float*>(scratch(slot, count * sizeof(float)));
  widen_bf16(wide, halves(images), count);
  return wide;
}

// Images that are widened at a time.
int64_t images_to_widen(const ConvolutionShape& shape) {
  constexpr FloatType wide = FloatType::kFloat32;
  return std::clamp<int64_t>(kWidenedBytes / (input_bytes(shape, wide) + output_bytes(shape, wide)), 1, shape.count);
}

// The kernel with bfloat16's values.
const float* rounded_kernel(const float* kernel, const ConvolutionShape& shape, const Context& context) {
  const int64_t count = shape.kernel_height * shape.kernel_width * shape.in_channels * shape.out_channels;
  auto* values = static_cast<float*>(scratch(ScratchSlot::kRoundedKernel, count * sizeof(float)));
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[i] = widened(rounded(kernel[i]));
  });
  return values;
}

//   shape  of the convolution; `mapped` is that of the way that is computed
template <class Value>
void by_winograd(void* to, const void* from, const float* kernel, const void* addend, bool forward,
                 const ConvolutionShape& shape, const ConvolutionShape& mapped, const Context& context) {
  auto* transformed = static_cast<float*>(scratch(ScratchSlot::kKernel, winograd_kernel_bytes(shape)));
  parallel_for(context, mapped.in_channels, kRowsOfKernel, [&](int64_t begin, int64_t end) {
    (forward ? transform_kernel<Value> : transform_turned_kernel<Value>)(transformed, kernel, shape, begin, end);
  });
  const int64_t to_image = mapped.out_height() * mapped.out_width() * mapped.out_channels;
  const int64_t from_image = mapped.height * mapped.width * mapped.in_channels;
  const int64_t piece = images_per_piece(mapped, kTransformedOperations);
  parallel_for_back_and_forth(context, shape.count, piece, [&](int64_t begin, int64_t end) {
    ConvolutionShape images = mapped;
    images.count = end - begin;
    winograd_convolution(static_cast<Value*>(to) + begin * to_image,
                         static_cast<const Value*>(from) + begin * from_image, transformed,
                         addend ? static_cast<const Value*>(addend) + begin * to_image : nullptr, images);
  });
}

// Forward and backward to the input differ in nothing but the direction.
void map_images(Direction direction, void* to, int64_t to_image, const void* from, int64_t from_image,
                const float* kernel, const void* addend, FloatType type, const ConvolutionShape& shape,
                const Context& context) {
  if (shape.count == 0) return;
  const bool widens = is_widened(type);
  int64_t piece = images_per_piece(shape);
  const auto add_to = [&](int64_t begin, int64_t end) {
    if (addend == nullptr) return;
    add(at(to, begin * to_image), at(addend, begin * to_image), type, (end - begin) * to_image / element_size(type));
  };
  const bool forward = direction == Direction::kForward;
  const ConvolutionShape mapped = forward ? shape : turned(shape);
  if (prefers_winograd(type) && is_unstrided(shape) && has_winograd(type, mapped)) {
    if (type == FloatType::kFloat32) {
      by_winograd<float>(to, from, kernel, addend, forward, shape, mapped, context);
    } else {
      by_winograd<uint16_t>(to, from, kernel, addend, forward, shape, mapped, context);
    }
    return;
  }
  if (prefers_tiles(type) && (forward || is_unstrided(shape)) && has_tile_convolution_bf16(mapped)) {
    auto* packed = static_cast<uint16_t*>(scratch(ScratchSlot::kKernel, tile_kernel_bytes(mapped)));
    (forward ? pack_tile_kernel_bf16 : pack_turned_tile_kernel_bf16)(packed, kernel, shape);
    parallel_for_back_and_forth(context, shape.count, piece, [&](int64_t begin, int64_t end) {
      ConvolutionShape images = mapped;
      images.count = end - begin;
      tile_convolution_bf16(static_cast<uint16_t*>(at(to, begin * to_image)), halves(at(from, begin * from_image)),
                            packed, addend ? halves(at(addend, begin * to_image)) : nullptr, images);
    });
    return;
  }
  const FloatType computed = widens ? FloatType::kFloat32 : type;
  if (widens) {
    piece = std::min(piece, images_to_widen(shape));
    kernel = rounded_kernel(kernel, shape, context);
  }
  const Plan& whole = plan_for(direction, computed, shape, piece);
  void* chosen = scratch(ScratchSlot::kKernel, whole.kernel_bytes);
  run_reorder(whole, kernel, chosen, context);
  const int64_t rest = shape.count % piece;
  // oneDNN may choose another layout for the kernel when the batch differs.
  const Plan* last = rest == 0 ? &whole : &plan_for(direction, computed, shape, rest);
  void* chosen_last = chosen;
  if (rest != 0) {
    chosen_last = scratch(ScratchSlot::kPartialSums, last->kernel_bytes);
    run_reorder(*last, kernel, chosen_last, context);
  }
  parallel_for_back_and_forth(context, shape.count, piece, [&](int64_t begin, int64_t end) {
    const OneThread guard;
    for (int64_t image = begin; image < end; image += piece) {
      const int64_t images = std::min(piece, end - image);
      const auto run = [&](void* output, void* input) {
        const bool is_whole = images == piece;
        (is_whole ? whole : *last).compute->run({output, input, is_whole ? chosen : chosen_last});
      };
      if (widens) {
        const int64_t inputs = images * from_image / 2, outputs = images * to_image / 2;
        float* wide_input = widened_images(ScratchSlot::kWidenedInput, at(from, image * from_image), inputs);
        auto* wide_output = static_cast<float*>(scratch(ScratchSlot::kWidenedOutput, outputs * sizeof(float)));
        run(wide_output, wide_input);
        narrow_bf16(static_cast<uint16_t*>(at(to, image * to_image)), wide_output,
                    addend ? halves(at(addend, image * to_image)) : nullptr, outputs);
      } else {
        run(at(to, image * to_image), at(from, image * from_image));
        add_to(image, image + images);
      }
    }
  });
}

enum class Algorithm { kOneDnn, kWidened, kWinograd, kTiles, kPairs };

Algorithm algorithm_of_gradient(FloatType type, const ConvolutionShape& shape) {
  if (prefers_winograd(type) && has_winograd(type, shape)) return Algorithm::kWinograd;
  if (prefers_tiles(type) && has_tile_kernel_gradient_bf16(shape)) return Algorithm::kTiles;
  if (prefers_dot_products(type) && has_kernel_gradient_bf16(shape)) return Algorithm::kPairs;
  return is_widened(type) ? Algorithm::kWidened : Algorithm::kOneDnn;
}

void sum_by_onednn(float* sum, const void* input, const void* output_gradient, FloatType type,
                   const ConvolutionShape& images) {
  const Plan& plan = plan_for(Direction::kKernel, type, images, images.count);
  void* chosen = scratch(ScratchSlot::kPiece, plan.kernel_bytes);
  const OneThread guard;
  plan.compute->run({chosen, at(input, 0), at(output_gradient, 0)});
  run_reorder(plan, chosen, sum, Context());
}

// A few images at a time, which stay in the cache from one type to the other.
void sum_widened(float* sum, const void* input, const void* output_gradient, ConvolutionShape images) {
  constexpr FloatType type = FloatType::kBFloat16;
  const int64_t count = images.count, few = images_to_widen(images);
  const int64_t elements = images.kernel_height * images.kernel_width * images.in_channels * images.out_channels;
  const int64_t inputs = input_bytes(images, type), outputs = output_bytes(images, type);
  for (int64_t image = 0; image < count; image += few) {
    images.count = std::min(few, count - image);
    const float* x = widened_images(ScratchSlot::kWidenedInput, at(input, image * inputs), images.count * inputs / 2);
    const float* dy =
        widened_images(ScratchSlot::kWidenedOutput, at(output_gradient, image * outputs), images.count * outputs / 2);
    float* part = image == 0 ? sum : static_cast<float*>(scratch(ScratchSlot::kKernel, elements * sizeof(float)));
    sum_by_onednn(part, x, dy, FloatType::kFloat32, images);
    if (image == 0) continue;
    for (int64_t i = 0; i < elements; ++i) sum[i] += part[i];
  }
}

// gradient[kernel] over all of these images. One thread.
void sum_gradient(Algorithm algorithm, float* sum, const void* input, const void* output_gradient, FloatType type,
                  const ConvolutionShape& images) {
  switch (algorithm) {
    case Algorithm::kOneDnn:
      return sum_by_onednn(sum, input, output_gradient, type, images);
    case Algorithm::kWidened:
      return sum_widened(sum, input, output_gradient, images);
    case Algorithm::kWinograd:
      if (type == FloatType::kBFloat16) {
        return winograd_kernel_gradient(sum, halves(input), halves(output_gradient), images);
      }
      return winograd_kernel_gradient(sum, static_cast<const float*>(input), static_cast<const float*>(output_gradient),
                                      images);
    case Algorithm::kTiles:
      return tile_kernel_gradient_bf16(sum, halves(input), halves(output_gradient), images);
    case Algorithm::kPairs:
      std::memset(
          sum, 0,
          images.kernel_height * images.kernel_width * images.in_channels * images.out_channels * sizeof(float));
      return add_kernel_gradient_bf16(sum, halves(input), halves(output_gradient), images);
  }
}

}  // namespace

void convolve(void* output, const void* input, const float* kernel, FloatType type, const ConvolutionShape& shape,
              const Context& context) {
  map_images(Direction::kForward, output, output_bytes(shape, type), input, input_bytes(shape, type), kernel, nullptr,
             type, shape, context);
}

void convolve_backward_input(void* input_gradient, const void* output_gradient, const float* kernel, const void* addend,
                             FloatType type, const ConvolutionShape& shape, const Context& context) {
  map_images(Direction::kInput, input_gradient, input_bytes(shape, type), output_gradient, output_bytes(shape, type),
             kernel, addend, type, shape, context);
}

void convolve_backward_kernel(float* kernel_gradient, const void* input, const void* output_gradient, FloatType type,
                              const ConvolutionShape& shape, const Context& context) {
  const int64_t elements = shape.kernel_height * shape.kernel_width * shape.in_channels * shape.out_channels;
  if (shape.count == 0) {
    std::memset(kernel_gradient, 0, elements * sizeof(float));
    return;
  }
  const int64_t wanted = shape.operations() * shape.count / kPieceOperations;
  const int64_t most = std::min({std::max<int64_t>(2, kPartBytes / (elements * 4)), kMostParts, shape.count});
  int64_t parts = 1;
  while (parts < wanted && 2 * parts <= most) parts *= 2;  // so that as many threads have equal shares
  const int64_t piece = (shape.count + parts - 1) / parts;
  parts = (shape.count + piece - 1) / piece;
  const Algorithm algorithm = algorithm_of_gradient(type, shape);
  float* sums = static_cast<float*>(scratch(ScratchSlot::kPartialSums, parts * elements * sizeof(float)));
  parallel_for_back_and_forth(context, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      ConvolutionShape images = shape;
      images.count = std::min(piece, shape.count - part * piece);
      sum_gradient(algorithm, parts == 1 ? kernel_gradient : sums + part * elements,
                   at(input, part * piece * input_bytes(shape, type)),
                   at(output_gradient, part * piece * output_bytes(shape, type)), type, images);
    }
  });
  if (parts == 1) return;
  parallel_for(context, elements, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernel_gradient[i] = sums[i] + sums[elements + i];
    for (int64_t part = 2; part < parts; ++part) {
      const float* more = sums + part * elements;
      for (int64_t i = begin; i < end; ++i) kernel_gradient[i] += more[i];
    }
  });
}

std::string convolution_library() {
  const dnnl_version_t* version = dnnl_version();
  std::ostringstream text;
  text << "oneDNN " << version->major << '.' << version->minor << '.' << version->patch;
  return text.str();
}

bool has_fast_bfloat16() {
  return uses_matrix_tiles() || dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_bf16 ||
         dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_fp16;
}

}  // namespace lambda_fast
