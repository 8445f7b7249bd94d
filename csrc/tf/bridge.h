// What every TensorFlow op needs: TensorFlow's threads as an Executor, attributes as a spec, exceptions as a Status.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/augment/spec.h"
#include "core/base/batch_view.h"
#include "core/base/context.h"
#include "core/base/error.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/platform/threadpool.h"

namespace lambda_fast {

class TensorFlowExecutor : public Executor {
 public:
  explicit TensorFlowExecutor(tensorflow::thread::ThreadPool* pool) : pool_(pool) {}
  int threads() const override { return pool_->NumThreads(); }
  void schedule(std::function<void()> task) override { pool_->Schedule(std::move(task)); }

 private:
  tensorflow::thread::ThreadPool* pool_;
};

// A visitor that fills a spec from anything with `Status GetAttr(name, value)`: a kernel's construction or a shape
// inference context.
template <class Source>
class FromAttributes {
 public:
  explicit FromAttributes(Source* source) : source_(source) {}

  void operator()(const char* name, int32_t& field) const { get(name, &field); }
  void operator()(const char* name, bool& field) const { get(name, &field); }
  void operator()(const char* name, float& field) const { get(name, &field); }
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
    std::string value;
    get(name, &value);
    parse_name(value, &field);
  }

 private:
  template <class Value>
  void get(const char* name, Value* value) const {
    const absl::Status status = source_->GetAttr(name, value);
    require(status.ok(), "augment", "expected the attribute '", name, "'; found: ", std::string(status.message()));
  }
  std::vector<float> floats(const char* name, size_t count) const {
    std::vector<float> values;
    get(name, &values);
    require(values.size() == count, "augment", "expected ", count, " values for '", name, "'; found ", values.size());
    return values;
  }

  Source* source_;
};

template <class Source>
AugmentSpec spec_from(Source* source) {
  AugmentSpec spec;
  visit_fields(spec, FromAttributes<Source>(source));
  return spec;
}

inline std::vector<int64_t> extents(const tensorflow::Tensor& tensor) {
  const auto sizes = tensor.shape().dim_sizes();
  return {sizes.begin(), sizes.end()};
}

inline FloatType float_type(const tensorflow::Tensor& tensor) {
  return tensor.dtype() == tensorflow::DT_FLOAT ? FloatType::kFloat32 : FloatType::kBFloat16;
}

// Runs the body; an exception becomes the status.
template <class Body>
absl::Status guarded(Body&& body) {
  try {
    body();
    return absl::OkStatus();
  } catch (const Error& error) {
    switch (error.kind()) {
      case ErrorKind::kInvalidArgument:
        return absl::InvalidArgumentError(error.what());
      case ErrorKind::kUnavailable:
        return absl::UnavailableError(error.what());
      case ErrorKind::kInternal:
        break;
    }
    return absl::InternalError(error.what());
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace lambda_fast
