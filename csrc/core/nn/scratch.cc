// Grow-only buffers, one for each thread and slot.
#include "core/nn/scratch.h"

#include <cstdlib>
#include <new>

namespace lambda_fast {
namespace {

constexpr size_t kAlignment = 64;

struct Buffer {
  void* memory = nullptr;
  size_t bytes = 0;
  ~Buffer() { std::free(memory); }
};

}  // namespace

void* scratch(ScratchSlot slot, size_t bytes) {
  thread_local Buffer buffers[static_cast<int>(ScratchSlot::kCount)];
  Buffer& buffer = buffers[static_cast<int>(slot)];
  if (buffer.bytes < bytes || buffer.memory == nullptr) {
    std::free(buffer.memory);
    buffer.bytes = (bytes / kAlignment + 1) * kAlignment;
    buffer.memory = std::aligned_alloc(kAlignment, buffer.bytes);
    if (buffer.memory == nullptr) {
      buffer.bytes = 0;
      throw std::bad_alloc();
    }
  }
  return buffer.memory;
}

}  // namespace lambda_fast
