// oneDNN's own primitives for ResNet32's training step and nothing else: all convolutions forward and backward, all
// batch normalisations with ReLU, on NHWC tensors, with oneDNN's own threads. No additions, loss, update or
// augmentation.
//
// What a step costs that leaves everything to oneDNN, and hands nothing over. oneDNN has no fused addition on CPUs.
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <unordered_map>
#include <vector>

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

class Step {
 public:
  Step(int batch, bool bfloat16)
      : batch_(batch), type_(bfloat16 ? Type::bf16 : Type::f32), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    memory x = image(32, 3);
    x = block(x, 32, 3, 16, 1, true);
    int size = 32, channels = 16;
    for (const int grown : {16, 32, 64}) {
      for (int i = 0; i < 5; ++i) {
        const int stride = i == 0 && grown != 16 ? 2 : 1;
        x = block(x, size, channels, grown, stride, false);
        size /= stride;
        channels = grown;
        x = block(x, size, channels, channels, 1, false);
      }
    }
  }
  void run() {
    for (const auto& work : forward_) work();
    for (auto work = backward_.rbegin(); work != backward_.rend(); ++work) (*work)();
    stream_.wait();
  }

 private:
  memory filled(const memory::desc& desc) {
    memory made(desc, engine_);
    const size_t bytes = desc.get_size();
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    if (desc.get_data_type() == Type::f32) {
      auto* values = static_cast<float*>(made.get_data_handle());
      for (size_t i = 0; i < bytes / 4; ++i) values[i] = uniform(random_);
    } else {  // of magnitude 0.01 to 2, either sign
      auto* values = static_cast<uint16_t*>(made.get_data_handle());
      for (size_t i = 0; i < bytes / 2; ++i)
        values[i] = static_cast<uint16_t>((random_() & 0x8000u) | (0x3c00u + (random_() & 0x3ffu)));
    }
    return made;
  }
  memory image(int size, int channels) { return filled({{batch_, channels, size, size}, type_, Tag::nhwc}); }
  memory vector(int channels) { return filled({{channels}, Type::f32, Tag::x}); }

  template <class Primitive>
  std::function<void()> call(Primitive primitive, std::unordered_map<int, memory> arguments) {
    return [this, primitive, arguments] { primitive.execute(stream_, arguments); };
  }

  // Convolution, normalisation and ReLU; returns what comes out.
  memory block(const memory& x, int size, int channels, int out, int stride, bool first) {
    const int out_size = size / stride;
    const memory y = image(out_size, out), z = image(out_size, out);
    const memory dz = image(out_size, out), dy = image(out_size, out), dx = image(size, channels);
    const memory::desc any_kernel({out, channels, 3, 3}, type_, Tag::any),
        any_gradient({out, channels, 3, 3}, Type::f32, Tag::any);
    const memory::dims strides{stride, stride}, pad{1, 1};
    const auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc conv(engine_, dnnl::prop_kind::forward_training, direct,
                                                         x.get_desc(), any_kernel, y.get_desc(), strides, pad, pad);
    forward_.push_back(call(dnnl::convolution_forward(conv),
                            {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, filled(conv.weights_desc())}, {DNNL_ARG_DST, y}}));

    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift |
                       dnnl::normalization_flags::fuse_norm_relu;
    const dnnl::batch_normalization_forward::primitive_desc norm(engine_, dnnl::prop_kind::forward_training,
                                                                 y.get_desc(), z.get_desc(), 1e-5f, flags);
    const memory mean = vector(out), variance = vector(out), scale = vector(out),
                 workspace(norm.workspace_desc(), engine_);
    forward_.push_back(call(dnnl::batch_normalization_forward(norm), {{DNNL_ARG_SRC, y},
                                                                      {DNNL_ARG_DST, z},
                                                                      {DNNL_ARG_MEAN, mean},
                                                                      {DNNL_ARG_VARIANCE, variance},
                                                                      {DNNL_ARG_SCALE, scale},
                                                                      {DNNL_ARG_SHIFT, vector(out)},
                                                                      {DNNL_ARG_WORKSPACE, workspace}}));

    const dnnl::convolution_backward_weights::primitive_desc kernel(engine_, direct, x.get_desc(), any_gradient,
                                                                    y.get_desc(), strides, pad, pad, conv);
    backward_.push_back(call(
        dnnl::convolution_backward_weights(kernel),
        {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_WEIGHTS, filled(kernel.diff_weights_desc())}}));
    if (!first) {
      const dnnl::convolution_backward_data::primitive_desc data(engine_, direct, x.get_desc(), any_kernel,
                                                                 y.get_desc(), strides, pad, pad, conv);
      backward_.push_back(
          call(dnnl::convolution_backward_data(data),
               {{DNNL_ARG_DIFF_SRC, dx}, {DNNL_ARG_WEIGHTS, filled(data.weights_desc())}, {DNNL_ARG_DIFF_DST, dy}}));
    }
    const dnnl::batch_normalization_backward::primitive_desc back(engine_, dnnl::prop_kind::backward, y.get_desc(),
                                                                  z.get_desc(), y.get_desc(), 1e-5f, flags, norm);
    backward_.push_back(call(dnnl::batch_normalization_backward(back), {{DNNL_ARG_SRC, y},
                                                                        {DNNL_ARG_DIFF_DST, dz},
                                                                        {DNNL_ARG_DIFF_SRC, dy},
                                                                        {DNNL_ARG_MEAN, mean},
                                                                        {DNNL_ARG_VARIANCE, variance},
                                                                        {DNNL_ARG_SCALE, scale},
                                                                        {DNNL_ARG_DIFF_SCALE, vector(out)},
                                                                        {DNNL_ARG_DIFF_SHIFT, vector(out)},
                                                                        {DNNL_ARG_WORKSPACE, workspace}}));
    return z;
  }

  const int batch_;
  const Type type_;
  std::mt19937 random_{0};
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<std::function<void()>> forward_, backward_;
};

}  // namespace

// Null where oneDNN has no such primitives for this CPU.
extern "C" void* onednn_resnet32_new(int batch, int bfloat16) {
  try {
    return new Step(batch, bfloat16 != 0);
  } catch (const dnnl::error&) {
    return nullptr;
  }
}
extern "C" void onednn_resnet32_run(void* step) { static_cast<Step*>(step)->run(); }
