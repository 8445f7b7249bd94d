// The kernels of bucket_cuda.h.
//
// One launch moves up to kPieces pieces, whose table is the kernel's parameter: nothing is copied to the device first.
// A row of blocks belongs to each piece; neighbouring threads move neighbouring values, so that reads and writes of
// either side are whole lines of memory.
#include <cuda_runtime.h>

#include <algorithm>

#include "core/base/cuda_check.cuh"
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

template <class Value, class Wire>
__device__ void move(Value* values, Wire* packed, int64_t count, float divisor, bool pack) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    if (pack) {
      narrow(widened(values[i]), packed + i);
    } else {
      narrow(widened(packed[i]) / divisor, values + i);
    }
  }
}

template <class Wire>
__global__ void __launch_bounds__(kThreads) move_kernel(Table table, Wire* packed, float divisor, bool pack) {
  const Row& row = table.rows[blockIdx.y];
  Wire* const at = packed + row.offset;
  switch (row.type) {
    case ValueType::kFloat32:
      return move(static_cast<float*>(row.values), at, row.count, divisor, pack);
    case ValueType::kBFloat16:
      return move(static_cast<BFloat16*>(row.values), at, row.count, divisor, pack);
    case ValueType::kFloat16:
      return move(static_cast<Float16*>(row.values), at, row.count, divisor, pack);
  }
}

// A thread sums one value at a time over all ranks; neighbouring threads read neighbouring values.
template <class Wire>
__global__ void __launch_bounds__(kThreads)
    sum_kernel(Wire* out, const Wire* first, int64_t stride, int ranks, int64_t count, float divisor) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    float sum = widened(first[i]);
    for (int rank = 1; rank < ranks; ++rank) sum += widened(first[rank * stride + i]);
    narrow(sum / divisor, out + i);
  }
}

unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>(std::min(kMostBlocks, (count + kThreads - 1) / kThreads));
}

void check_launch(const char* kernel) { check_cuda(cudaGetLastError(), "all_reduce", "the launch of ", kernel); }

void launch(void* packed, ValueType wire, const Bucket& bucket, float divisor, bool pack, void* stream) {
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
    const dim3 grid(blocks_for(most), static_cast<unsigned>(rows));
    with_type(wire, [&](auto type) {
      move_kernel<<<grid, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(table, static_cast<decltype(type)*>(packed),
                                                                            divisor, pack);
    });
    check_launch("move_kernel");
  }
}

}  // namespace

void pack_cuda(void* out, ValueType wire, const Bucket& bucket, void* stream) {
  launch(out, wire, bucket, 1.0f, true, stream);
}

void unpack_cuda(const void* in, ValueType wire, const Bucket& bucket, float divisor, void* stream) {
  launch(const_cast<void*>(in), wire, bucket, divisor, false, stream);
}

void sum_cuda(void* out, const void* first, ValueType wire, int64_t stride, int ranks, int64_t count, float divisor,
              void* stream) {
  with_type(wire, [&](auto type) {
    using Wire = decltype(type);
    sum_kernel<<<blocks_for(count), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<Wire*>(out), static_cast<const Wire*>(first), stride, ranks, count, divisor);
  });
  check_launch("sum_kernel");
}

}  // namespace lambda_fast
