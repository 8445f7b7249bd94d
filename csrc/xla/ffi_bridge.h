// What every typed-FFI handler needs: XLA's threads as an Executor, attributes as a spec, exceptions as FFI errors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/augment/spec.h"
#include "core/base/batch_view.h"
#include "core/base/context.h"
#include "core/base/error.h"
#include "xla/ffi/api/ffi.h"

namespace lambda_fast {

class XlaExecutor : public Executor {
 public:
  explicit XlaExecutor(xla::ffi::ThreadPool pool)
      : pool_(std::move(pool)), threads_(std::max<int64_t>(1, pool_.num_threads())) {}
  int threads() const override { return static_cast<int>(threads_); }
  void schedule(std::function<void()> task) override { pool_.Schedule(std::move(task)); }

 private:
  xla::ffi::ThreadPool pool_;
  int64_t threads_;
};

// A visitor that fills the fields of a spec from a handler's attributes.
class FromFfi {
 public:
  explicit FromFfi(const xla::ffi::Dictionary& attributes) : attributes_(attributes) {}

  void operator()(const char* name, int32_t& field) const { field = get<int32_t>(name); }
  void operator()(const char* name, bool& field) const { field = get<bool>(name); }
  void operator()(const char* name, float& field) const { field = get<float>(name); }
  void operator()(const char* name, Range& field) const {
    const auto values = floats(name, 2);
    field = {values[0], values[1]};
  }
  void operator()(const char* name, float (&field)[3]) const {
    const auto values = floats(name, 3);
    for (int c = 0; c < 3; ++c) field[c] = values[c];
  }
  template <class Enum>
  void operator()(const char* name, Enum& field) const {
    parse_name(std::string(get<std::string_view>(name)), &field);
  }

 private:
  template <class Value>
  Value get(const char* name) const {
    const auto value = attributes_.get<Value>(name);
    require(value.has_value(), "augment", "expected the attribute '", name,
            "'; found: ", value.has_error() ? value.error().message() : "");
    return *value;
  }
  xla::ffi::Span<const float> floats(const char* name, size_t count) const {
    const auto values = get<xla::ffi::Span<const float>>(name);
    require(values.size() == count, "augment", "expected ", count, " values for '", name, "'; found ", values.size());
    return values;
  }

  const xla::ffi::Dictionary& attributes_;
};

inline std::vector<int64_t> extents(const xla::ffi::AnyBuffer& buffer) {
  const auto dimensions = buffer.dimensions();
  return {dimensions.begin(), dimensions.end()};
}

inline FloatType float_type(const xla::ffi::AnyBuffer& buffer, const char* where) {
  const bool wide = buffer.element_type() == xla::ffi::F32;
  require(wide || buffer.element_type() == xla::ffi::BF16, where, "expected float32 or bfloat16; found another type");
  return wide ? FloatType::kFloat32 : FloatType::kBFloat16;
}

inline float* floats(const xla::ffi::AnyBuffer& buffer, const char* where) {
  require(buffer.element_type() == xla::ffi::F32, where, "expected float32; found another type");
  return static_cast<float*>(buffer.untyped_data());
}

// Runs the body; an exception becomes the handler's error.
template <class Body>
xla::ffi::Error guarded(Body&& body) {
  using xla::ffi::ErrorCode;
  try {
    body();
    return xla::ffi::Error::Success();
  } catch (const Error& error) {
    const ErrorCode code = error.kind() == ErrorKind::kInvalidArgument ? ErrorCode::kInvalidArgument
                           : error.kind() == ErrorKind::kUnavailable   ? ErrorCode::kUnavailable
                                                                       : ErrorCode::kInternal;
    return xla::ffi::Error(code, error.what());
  } catch (const std::exception& error) {
    return xla::ffi::Error(ErrorCode::kInternal, error.what());
  }
}

}  // namespace lambda_fast
