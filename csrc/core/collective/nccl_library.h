// The NCCL library, opened at run time: the package works without one.
#pragma once

#include <nccl.h>

#include <string>

namespace lambda_fast {

struct NcclLibrary {
  decltype(&ncclGetUniqueId) get_unique_id;
  decltype(&ncclCommInitRankConfig) comm_init_rank_config;
  decltype(&ncclCommFinalize) comm_finalize;
  decltype(&ncclCommDestroy) comm_destroy;
  decltype(&ncclCommAbort) comm_abort;
  decltype(&ncclCommGetAsyncError) comm_get_async_error;
  decltype(&ncclAllReduce) all_reduce;
  decltype(&ncclBroadcast) broadcast;
  decltype(&ncclGroupStart) group_start;
  decltype(&ncclGroupEnd) group_end;
  decltype(&ncclGetErrorString) get_error_string;

  // Throws kUnavailable where the file is not there or is no NCCL.
  explicit NcclLibrary(const std::string& path);

  // Throws where `result` says neither success nor that the call goes on.
  void check(ncclResult_t result, const char* what) const;
};

}  // namespace lambda_fast
