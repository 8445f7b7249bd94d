// Working memory of a thread: it grows to the largest need and stays, so that steps after the first allocate nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lambda_fast {

// What a piece of work needs at the same time lies in different slots.
enum class ScratchSlot {
  kKernel,
  kPartialSums,
  kPrimitive,
  kPiece,
  kRoundedKernel,
  kWidenedInput,
  kWidenedOutput,
  kCount
};

// The calling thread's memory of a slot, at least `bytes` long, aligned to 64; valid until the thread asks for the same
// slot again.
void* scratch(ScratchSlot slot, size_t bytes);

}  // namespace lambda_fast
