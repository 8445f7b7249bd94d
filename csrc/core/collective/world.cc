// The world of this process, which ops find without being handed it.
#include <utility>

#include "core/collective/communicator.h"

namespace lambda_fast {
namespace {

struct Worlds {
  std::unique_ptr<Communicator> cpu = make_solo(), gpu = make_solo();
};

// Never destroyed: threads of TensorFlow may outlive main.
Worlds& worlds() {
  static auto* const worlds = new Worlds;
  return *worlds;
}

}  // namespace

Communicator& world() { return *worlds().cpu; }

Communicator& gpu_world() { return *worlds().gpu; }

void set_world(std::unique_ptr<Communicator> world, std::unique_ptr<Communicator> gpu) {
  worlds().gpu = gpu ? std::move(gpu) : make_solo();
  worlds().cpu = world ? std::move(world) : make_solo();
}

}  // namespace lambda_fast
