// lf_augment for XLA's Host and CUDA platforms: unpack, one call into core, convert the error.
#include <vector>

#include "core/augment/augment.h"
#include "xla/ffi_bridge.h"
#include "xla/handlers.h"

namespace lambda_fast {
namespace {

namespace ffi = xla::ffi;
using Buffer = ffi::AnyBuffer;  // of any rank: the checks are ours, and say more than a failed decoding
using AugmentFunction = void(FloatBatchView, const ImageBatchView&, EpochKeyView, const AugmentPlan&, const Context&);

void require_type(const Buffer& buffer, ffi::DataType type, const char* expected) {
  require(buffer.element_type() == type, "augment", "expected ", expected, "; found another type");
}

void run(AugmentFunction* augment, const Context& context, const ffi::Dictionary& attributes, const Buffer& images,
         const Buffer& ids, const Buffer& seed, const Buffer& epoch, Buffer& output) {
  require_type(images, ffi::U8, "images uint8[batch, height, width, channels]");
  require_type(ids, ffi::S64, "sample_ids int64[batch]");
  require_type(seed, ffi::S64, "a scalar seed int64[]");
  require_type(epoch, ffi::S64, "a scalar epoch int64[]");
  const ImageShape shape = check_operands(extents(images), extents(ids), extents(seed), extents(epoch));
  AugmentSpec spec;
  visit_fields(spec, FromFfi(attributes));
  const AugmentPlan plan = make_plan(spec, shape);

  const int64_t count = images.dimensions()[0];
  const std::vector<int64_t> expected{count, plan.output.height, plan.output.width, plan.output.channels};
  require(extents(output) == expected, "augment", "expected an output of shape [", count, ",", plan.output.height, ",",
          plan.output.width, ",", plan.output.channels, "]; found another");
  const bool wide = output.element_type() == ffi::F32;
  require(wide || output.element_type() == ffi::BF16, "augment",
          "expected an output of float32 or bfloat16; found another");

  augment({output.untyped_data(), wide ? FloatType::kFloat32 : FloatType::kBFloat16},
          {static_cast<const uint8_t*>(images.untyped_data()), static_cast<const int64_t*>(ids.untyped_data()), count,
           shape},
          {static_cast<const int64_t*>(seed.untyped_data()), static_cast<const int64_t*>(epoch.untyped_data())}, plan,
          context);
}

ffi::Error augment_host(ffi::ThreadPool pool, ffi::Dictionary attributes, Buffer images, Buffer ids, Buffer seed,
                        Buffer epoch, ffi::Result<ffi::AnyBuffer> output) {
  return guarded([&] {
    XlaExecutor executor(std::move(pool));
    run(augment_cpu, {&executor, nullptr}, attributes, images, ids, seed, epoch, *output);
  });
}

ffi::Error augment_on_stream(void* stream, ffi::Dictionary attributes, Buffer images, Buffer ids, Buffer seed,
                             Buffer epoch, ffi::Result<ffi::AnyBuffer> output) {
  return guarded([&] { run(augment_cuda, {nullptr, stream}, attributes, images, ids, seed, epoch, *output); });
}

}  // namespace
}  // namespace lambda_fast

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_augment_host, lambda_fast::augment_host,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Attrs()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_augment_cuda, lambda_fast::augment_on_stream,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::PlatformStream<void*>>()
                                  .Attrs()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Arg<xla::ffi::AnyBuffer>()
                                  .Ret<xla::ffi::AnyBuffer>());
