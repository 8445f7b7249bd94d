// lf_augment for XLA's Host and CUDA platforms: unpack, one call into core, convert the error.
#include "core/augment/augment.h"
#include "xla/ffi_bridge.h"
#include "xla/handlers.h"

namespace lambda_fast {
namespace {

namespace ffi = xla::ffi;
using Images = ffi::Buffer<ffi::U8, 4>;
using Ids = ffi::Buffer<ffi::S64, 1>;
using Scalar = ffi::Buffer<ffi::S64, 0>;
using AugmentFunction = void(FloatBatchView, const ImageBatchView&, EpochKeyView, const AugmentPlan&, const Context&);

void run(AugmentFunction* augment, const Context& context, const ffi::Dictionary& attributes, const Images& images,
         const Ids& ids, const Scalar& seed, const Scalar& epoch, ffi::AnyBuffer& output) {
  AugmentSpec spec;
  visit_fields(spec, FromFfi(attributes));
  const auto in = images.dimensions();
  const ImageShape shape{static_cast<int32_t>(in[1]), static_cast<int32_t>(in[2]), static_cast<int32_t>(in[3])};
  const AugmentPlan plan = make_plan(spec, shape);

  require(ids.dimensions()[0] == in[0], "augment", "expected one sample id for each of ", in[0], " images; found ",
          ids.dimensions()[0]);
  const auto out = output.dimensions();
  require(out.size() == 4 && out[0] == in[0] && out[1] == plan.output.height && out[2] == plan.output.width &&
              out[3] == in[3],
          "augment", "expected an output of shape [", in[0], ", ", plan.output.height, ", ", plan.output.width, ", ",
          in[3], "]; found another");
  const bool wide = output.element_type() == ffi::F32;
  require(wide || output.element_type() == ffi::BF16, "augment",
          "expected an output of float32 or bfloat16; found another");

  augment({output.untyped_data(), wide ? FloatType::kFloat32 : FloatType::kBFloat16},
          {images.typed_data(), ids.typed_data(), in[0], shape}, {seed.typed_data(), epoch.typed_data()}, plan,
          context);
}

ffi::Error augment_host(ffi::ThreadPool pool, ffi::Dictionary attributes, Images images, Ids ids, Scalar seed,
                        Scalar epoch, ffi::Result<ffi::AnyBuffer> output) {
  return guarded([&] {
    XlaExecutor executor(std::move(pool));
    run(augment_cpu, {&executor, nullptr}, attributes, images, ids, seed, epoch, *output);
  });
}

ffi::Error augment_on_stream(void* stream, ffi::Dictionary attributes, Images images, Ids ids, Scalar seed,
                             Scalar epoch, ffi::Result<ffi::AnyBuffer> output) {
  return guarded([&] { run(augment_cuda, {nullptr, stream}, attributes, images, ids, seed, epoch, *output); });
}

}  // namespace
}  // namespace lambda_fast

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_augment_host, lambda_fast::augment_host,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Attrs()
                                  .Arg<lambda_fast::Images>()
                                  .Arg<lambda_fast::Ids>()
                                  .Arg<lambda_fast::Scalar>()
                                  .Arg<lambda_fast::Scalar>()
                                  .Ret<xla::ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_augment_cuda, lambda_fast::augment_on_stream,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::PlatformStream<void*>>()
                                  .Attrs()
                                  .Arg<lambda_fast::Images>()
                                  .Arg<lambda_fast::Ids>()
                                  .Arg<lambda_fast::Scalar>()
                                  .Arg<lambda_fast::Scalar>()
                                  .Ret<xla::ffi::AnyBuffer>());
