// lf_all_reduce and lf_broadcast for XLA's Host and CUDA platforms: unpack, one call into core, convert the error.
#include <vector>

#include "core/collective/communicator.h"
#include "xla/ffi_bridge.h"
#include "xla/handlers.h"

namespace lambda_fast {
namespace {

namespace ffi = xla::ffi;

ValueType value_type(const ffi::AnyBuffer& buffer) {
  switch (buffer.element_type()) {
    case ffi::F32:
      return ValueType::kFloat32;
    case ffi::BF16:
      return ValueType::kBFloat16;
    case ffi::F16:
      return ValueType::kFloat16;
    default:
      fail(ErrorKind::kInvalidArgument, "all_reduce", "expected float32, bfloat16 or float16; found another type");
  }
}

// Calls body(input, output) for each operand and its result, which are alike. The last ones are tickets, of which only
// the order counts that they give to XLA.
template <class Body>
void each(const char* where, const ffi::RemainingArgs& inputs, const ffi::RemainingRets& outputs, Body&& body) {
  require(inputs.size() == outputs.size() && inputs.size() > 0, where,
          "expected tensors and a ticket, and a result for ", "each of ", inputs.size(), " operands; found ",
          outputs.size());
  for (size_t i = 0; i + 1 < inputs.size(); ++i) {
    const auto input = inputs.get<ffi::AnyBuffer>(i);
    auto output = outputs.get<ffi::AnyBuffer>(i);
    require(input.has_value() && output.has_value(), where, "expected buffers; found something else at ", i);
    const ffi::AnyBuffer result = **output;
    require(input->element_type() == result.element_type() && extents(*input) == extents(result), where,
            "expected a result like operand ", i, "; found another type or shape");
    body(*input, result);
  }
}

ffi::Error all_reduce_in(Communicator& world, void* stream, bool mean, const ffi::RemainingArgs& inputs,
                         const ffi::RemainingRets& outputs) {
  return guarded([&] {
    std::vector<Piece> pieces;
    each("all_reduce", inputs, outputs, [&](const ffi::AnyBuffer& input, const ffi::AnyBuffer& output) {
      pieces.push_back({input.untyped_data(), output.untyped_data(), static_cast<int64_t>(input.element_count()),
                        value_type(input)});
    });
    world.all_reduce(Bucket(std::move(pieces)), mean ? Reduction::kMean : Reduction::kSum, {nullptr, stream});
  });
}

ffi::Error broadcast_in(Communicator& world, void* stream, int32_t root, const ffi::RemainingArgs& inputs,
                        const ffi::RemainingRets& outputs) {
  return guarded([&] {
    std::vector<Bytes> parts;
    each("broadcast", inputs, outputs, [&](const ffi::AnyBuffer& input, const ffi::AnyBuffer& output) {
      parts.push_back({input.untyped_data(), output.untyped_data(), static_cast<int64_t>(input.size_bytes())});
    });
    world.broadcast(parts, root, {nullptr, stream});
  });
}

ffi::Error all_reduce_host(bool mean, ffi::RemainingArgs inputs, ffi::RemainingRets outputs) {
  return all_reduce_in(world(), nullptr, mean, inputs, outputs);
}

ffi::Error all_reduce_on_stream(void* stream, bool mean, ffi::RemainingArgs inputs, ffi::RemainingRets outputs) {
  return all_reduce_in(gpu_world(), stream, mean, inputs, outputs);
}

ffi::Error broadcast_host(int32_t root, ffi::RemainingArgs inputs, ffi::RemainingRets outputs) {
  return broadcast_in(world(), nullptr, root, inputs, outputs);
}

ffi::Error broadcast_on_stream(void* stream, int32_t root, ffi::RemainingArgs inputs, ffi::RemainingRets outputs) {
  return broadcast_in(gpu_world(), stream, root, inputs, outputs);
}

}  // namespace
}  // namespace lambda_fast

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_all_reduce_host, lambda_fast::all_reduce_host,
                              xla::ffi::Ffi::Bind().Attr<bool>("mean").RemainingArgs().RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    lf_all_reduce_cuda, lambda_fast::all_reduce_on_stream,
    xla::ffi::Ffi::Bind().Ctx<xla::ffi::PlatformStream<void*>>().Attr<bool>("mean").RemainingArgs().RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(lf_broadcast_host, lambda_fast::broadcast_host,
                              xla::ffi::Ffi::Bind().Attr<int32_t>("root").RemainingArgs().RemainingRets());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    lf_broadcast_cuda, lambda_fast::broadcast_on_stream,
    xla::ffi::Ffi::Bind().Ctx<xla::ffi::PlatformStream<void*>>().Attr<int32_t>("root").RemainingArgs().RemainingRets());
