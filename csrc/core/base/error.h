// Errors that a person can act on: "[where] expected X, found Y. What to do."
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace lambda_fast {

enum class ErrorKind {
  kInvalidArgument,  // the caller's values; the same call fails again
  kUnavailable,      // this build or machine lacks something; the message names the remedy
  kInternal,         // a CUDA or library call failed
};

class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// The arguments after `where` are streamed one after the other into the message.
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const char* where, const Parts&... parts) {
  std::ostringstream message;
  message << '[' << where << "] ";
  (message << ... << parts);
  throw Error(kind, message.str());
}

template <class... Parts>
void require(bool ok, const char* where, const Parts&... parts) {
  if (!ok) fail(ErrorKind::kInvalidArgument, where, parts...);
}

}  // namespace lambda_fast
