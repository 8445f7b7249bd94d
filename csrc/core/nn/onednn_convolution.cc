// Plans by shape, and the loops over pieces of a batch.
#include "core/nn/onednn_convolution.h"

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
#include "core/nn/onednn.h"
#include "core/nn/scratch.h"
#include "core/nn/widen_bf16.h"

namespace lambda_fast {
namespace {

using dnnl::memory;

enum class Direction { kForward, kInput, kKernel };

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

// Output channels of a slice of a kernel whose layout changes: a multiple of every block that oneDNN makes of them.
constexpr int64_t kSliceChannels = 64;

memory::data_type data_type(FloatType type) {
  return type == FloatType::kFloat32 ? memory::data_type::f32 : memory::data_type::bf16;
}

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

float* widened_images(ScratchSlot slot, const uint16_t* images, int64_t count) {
  auto* wide = static_cast<float*>(scratch(slot, count * sizeof(float)));
  widen_bf16(wide, images, count);
  return wide;
}

// Images that are widened at a time.
int64_t images_to_widen(const ConvolutionShape& shape) {
  const int64_t bytes = (shape.input_elements() + shape.output_elements()) * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kWidenedBytes / bytes, 1, shape.count);
}

// The kernel with bfloat16's values.
const float* rounded_kernel(const float* kernel, const ConvolutionShape& shape, const Context& context) {
  const int64_t count = shape.kernel_elements();
  auto* values = static_cast<float*>(scratch(ScratchSlot::kRoundedKernel, count * sizeof(float)));
  parallel_for(context, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) values[i] = widened(rounded(kernel[i]));
  });
  return values;
}

void sum_gradient(float* sum, const void* input, const void* output_gradient, FloatType type,
                  const ConvolutionShape& images) {
  const Plan& plan = plan_for(Direction::kKernel, type, images, images.count);
  void* chosen = scratch(ScratchSlot::kPiece, plan.kernel_bytes);
  const OneThread guard;
  plan.compute->run({chosen, at(input, 0), at(output_gradient, 0)});
  run_reorder(plan, chosen, sum, Context());
}

// A few images at a time, which stay in the cache from one type to the other.
void sum_widened_gradient(float* sum, const void* input, const void* output_gradient, ConvolutionShape images) {
  const int64_t count = images.count, few = images_to_widen(images);
  const int64_t elements = images.kernel_elements(), inputs = images.input_elements(),
                outputs = images.output_elements();
  for (int64_t image = 0; image < count; image += few) {
    images.count = std::min(few, count - image);
    const float* x = widened_images(ScratchSlot::kWidenedInput, halves(input) + image * inputs, images.count * inputs);
    const float* dy =
        widened_images(ScratchSlot::kWidenedOutput, halves(output_gradient) + image * outputs, images.count * outputs);
    float* part = image == 0 ? sum : static_cast<float*>(scratch(ScratchSlot::kKernel, elements * sizeof(float)));
    sum_gradient(part, x, dy, FloatType::kFloat32, images);
    if (image == 0) continue;
    for (int64_t i = 0; i < elements; ++i) sum[i] += part[i];
  }
}

}  // namespace

bool onednn_has_avx512() { return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core; }

bool onednn_has_bfloat16() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return onednn_has_matrix_tiles() || isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_fp16;
}

bool onednn_has_matrix_tiles() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_amx || isa == dnnl::cpu_isa::avx512_core_amx_fp16;
}

void map_images_by_onednn(bool forward, void* to, const void* from, const float* kernel, const void* addend,
                          FloatType type, Arithmetic arithmetic, const ConvolutionShape& shape, int64_t piece,
                          const Context& context) {
  const Direction direction = forward ? Direction::kForward : Direction::kInput;
  const int64_t to_image = forward ? shape.output_elements() : shape.input_elements();
  const int64_t from_image = forward ? shape.input_elements() : shape.output_elements();
  const int64_t size = element_size(type);
  const bool widens = arithmetic == Arithmetic::kWidened;
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
      const int64_t images = std::min(piece, end - image), inputs = images * from_image, outputs = images * to_image;
      void* output = at(to, image * to_image * size);
      void* input = at(from, image * from_image * size);
      const void* added = addend ? at(addend, image * to_image * size) : nullptr;
      const auto run = [&](void* result, void* operand) {
        const bool is_whole = images == piece;
        (is_whole ? whole : *last).compute->run({result, operand, is_whole ? chosen : chosen_last});
      };
      if (widens) {
        float* wide_input = widened_images(ScratchSlot::kWidenedInput, halves(input), inputs);
        auto* wide_output = static_cast<float*>(scratch(ScratchSlot::kWidenedOutput, outputs * sizeof(float)));
        run(wide_output, wide_input);
        narrow_bf16(static_cast<uint16_t*>(output), wide_output, halves(added), outputs);
      } else {
        run(output, input);
        if (added != nullptr) add(output, added, type, outputs);
      }
    }
  });
}

void sum_gradient_by_onednn(float* sum, const void* input, const void* output_gradient, FloatType type,
                            Arithmetic arithmetic, const ConvolutionShape& images) {
  if (arithmetic == Arithmetic::kWidened) return sum_widened_gradient(sum, input, output_gradient, images);
  sum_gradient(sum, input, output_gradient, type, images);
}

std::string convolution_library() {
  const dnnl_version_t* version = dnnl_version();
  std::ostringstream text;
  text << "oneDNN " << version->major << '.' << version->minor << '.' << version->patch;
  return text.str();
}

}  // namespace lambda_fast
