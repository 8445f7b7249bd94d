// The kernels of bucket_cuda.h.
//
// One launch moves up to kPieces pieces, whose table is the kernel's parameter: nothing is copied to the device first.
// A row of blocks belongs to each piece; neighbouring threads move neighbouring values, so that reads and writes of
// either side are whole lines of memory.
#include <cuda_runtime.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/collective/bucket_cuda.h"

namespace lambda_fast {
namespace {

constexpr int kThreads = 256, kPieces = 64;
constexpr int64_t kMostBlocks = 1024;

struct Row {
  void* values;
  int64_t offset, count;
  ValueType type;
};

struct Table {
  Row rows[kPieces];
};

template <class Value>
__device__ void move(Value* values, float* packed, int64_t count, float divisor, bool pack) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    if (pack) {
      packed[i] = widened(values[i]);
    } else {
      narrow(packed[i] / divisor, values + i);
    }
  }
}

__global__ void __launch_bounds__(kThreads) move_kernel(Table table, float* packed, float divisor, bool pack) {
  const Row& row = table.rows[blockIdx.y];
  float* const at = packed + row.offset;
  switch (row.type) {
    case ValueType::kFloat32:
      return move(static_cast<float*>(row.values), at, row.count, divisor, pack);
    case ValueType::kBFloat16:
      return move(static_cast<BFloat16*>(row.values), at, row.count, divisor, pack);
    case ValueType::kFloat16:
      return move(static_cast<Float16*>(row.values), at, row.count, divisor, pack);
  }
}

void launch(float* packed, const Bucket& bucket, float divisor, bool pack, void* stream) {
  const auto& pieces = bucket.pieces();
  for (size_t first = 0; first < pieces.size(); first += kPieces) {
    const size_t rows = std::min<size_t>(kPieces, pieces.size() - first);
    Table table{};
    int64_t most = 0;
    for (size_t i = 0; i < rows; ++i) {
      const Piece& piece = pieces[first + i];
      void* const values = pack ? const_cast<void*>(piece.input) : piece.output;
      table.rows[i] = {values, bucket.offset(first + i), piece.count, piece.type};
      most = std::max(most, piece.count);
    }
    if (most == 0) continue;
    const auto blocks = static_cast<unsigned>(std::min(kMostBlocks, (most + kThreads - 1) / kThreads));
    move_kernel<<<dim3(blocks, static_cast<unsigned>(rows)), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        table, packed, divisor, pack);
    const cudaError_t status = cudaGetLastError();
    if (status != cudaSuccess) {
      fail(ErrorKind::kInternal, "all_reduce",
           "expected the launch of move_kernel to succeed, found: ", cudaGetErrorString(status));
    }
  }
}

}  // namespace

void pack_cuda(float* out, const Bucket& bucket, void* stream) { launch(out, bucket, 1.0f, true, stream); }

void unpack_cuda(const float* in, const Bucket& bucket, float divisor, void* stream) {
  launch(const_cast<float*>(in), bucket, divisor, false, stream);
}

}  // namespace lambda_fast
