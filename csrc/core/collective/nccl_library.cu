// Opens the NCCL library and finds what is used of it.
#include <dlfcn.h>

#include "core/base/error.h"
#include "core/collective/nccl_library.h"

namespace lambda_fast {
namespace {

constexpr char kRemedy[] = ". pip install nvidia-nccl-cu12, or name libnccl.so.2 in LAMBDA_FAST_NCCL_LIBRARY";

template <class Function>
void find(void* library, const std::string& path, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  if (*function == nullptr) {
    fail(ErrorKind::kUnavailable, "nccl", "expected ", name, " in ", path, ", found none", kRemedy);
  }
}

}  // namespace

NcclLibrary::NcclLibrary(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    fail(ErrorKind::kUnavailable, "nccl", "expected the NCCL library, found: ", dlerror(), kRemedy);
  find(library, path, "ncclGetUniqueId", &get_unique_id);
  find(library, path, "ncclCommInitRankConfig", &comm_init_rank_config);
  find(library, path, "ncclCommFinalize", &comm_finalize);
  find(library, path, "ncclCommDestroy", &comm_destroy);
  find(library, path, "ncclCommAbort", &comm_abort);
  find(library, path, "ncclCommGetAsyncError", &comm_get_async_error);
  find(library, path, "ncclAllReduce", &all_reduce);
  find(library, path, "ncclBroadcast", &broadcast);
  find(library, path, "ncclGroupStart", &group_start);
  find(library, path, "ncclGroupEnd", &group_end);
  find(library, path, "ncclGetErrorString", &get_error_string);
}

void NcclLibrary::check(ncclResult_t result, const char* what) const {
  if (result == ncclSuccess || result == ncclInProgress) return;
  fail(ErrorKind::kInternal, "nccl", "expected ", what, " to succeed, found: ", get_error_string(result));
}

}  // namespace lambda_fast
