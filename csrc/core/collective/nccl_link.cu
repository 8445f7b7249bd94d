// The start, the waits and the end of NcclLink.
#include <chrono>

#include "core/base/error.h"
#include "core/collective/nccl_link.h"

namespace lambda_fast {
namespace {

constexpr auto kLook = std::chrono::milliseconds(100);
constexpr auto kPatience = std::chrono::seconds(1);
constexpr int kMostMissed = 10;

}  // namespace

NcclLink::NcclLink(const std::string& path, Communicator* bootstrap, double timeout)
    : library_(path), bootstrap_(*bootstrap), timeout_(timeout) {
  ncclUniqueId id{};
  if (bootstrap_.rank() == 0) library_.check(library_.get_unique_id(&id), "ncclGetUniqueId");
  bootstrap_.broadcast({{&id, &id, sizeof id}}, 0, {});
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  constexpr char kStart[] = "ncclCommInitRankConfig";
  try {
    library_.check(library_.comm_init_rank_config(&communicator_, bootstrap_.size(), id, bootstrap_.rank(), &config),
                   kStart);
    settle(kStart, timeout_);
    watch_ = std::thread([this] { watch(); });
  } catch (...) {
    if (communicator_ != nullptr) library_.comm_abort(communicator_);
    throw;
  }
}

NcclLink::~NcclLink() {
  {
    const std::lock_guard<std::mutex> lock(leaving_mutex_);
    leaving_ = true;
  }
  leaving_changed_.notify_all();
  watch_.join();
  if (!aborted_) finish();
}

// Frees the communicator when all ranks have come here; aborts it where they do not.
void NcclLink::finish() {
  constexpr char kEnd[] = "ncclCommFinalize";
  try {
    library_.check(library_.comm_finalize(communicator_), kEnd);
    settle(kEnd, timeout_);
    library_.comm_destroy(communicator_);
  } catch (const Error&) {
    abort();
  }
}

std::unique_lock<std::timed_mutex> NcclLink::begin(const char* what) {
  std::unique_lock<std::timed_mutex> lock(mutex_);
  require_going(what);
  return lock;
}

ncclComm_t NcclLink::communicator() const {
  require_going("nccl");
  return communicator_;
}

// What NCCL says of the call under way, or of what happened since the last one. Of a freed communicator: success.
ncclResult_t NcclLink::look() {
  const std::lock_guard<std::mutex> lock(look_mutex_);
  ncclResult_t state = ncclSuccess;
  if (aborted_) return state;
  const ncclResult_t looked = library_.comm_get_async_error(communicator_, &state);
  return looked == ncclSuccess ? state : looked;
}

void NcclLink::settle(const char* what, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  ncclResult_t state = ncclInProgress;
  for (;;) {
    require_going(what);
    state = look();
    if (state != ncclInProgress) break;
    if (std::chrono::steady_clock::now() > end) {
      fail(ErrorKind::kInternal, "nccl", "expected ", what, " to be done within ", seconds, " s by all ",
           bootstrap_.size(),
           " ranks, found it still in progress. NCCL_DEBUG=INFO shows what NCCL waits for; NCCL_SOCKET_IFNAME names "
           "the network to use");
    }
    std::this_thread::yield();
  }
  require_going(what);
  library_.check(state, what);
}

// A call in `settle` sees it and lets go of the mutex. One that is stuck inside NCCL or CUDA holds it: after a second
// the communicator is aborted all the same, which NCCL allows, and the call finds none when it asks for it again.
void NcclLink::abort() {
  if (aborted_.exchange(true)) return;
  const std::unique_lock<std::timed_mutex> lock(mutex_, kPatience);
  const std::lock_guard<std::mutex> nobody_looks(look_mutex_);
  library_.comm_abort(communicator_);
}

void NcclLink::require_going(const char* what) const {
  if (aborted_ || bootstrap_.ended()) {
    fail(ErrorKind::kInternal, what, "expected all ", bootstrap_.size(), " ranks, found that the run was ended");
  }
}

void NcclLink::watch() {
  int missed = 0;
  std::unique_lock<std::mutex> lock(leaving_mutex_);
  while (!leaving_changed_.wait_for(lock, kLook, [this] { return leaving_; })) {
    if (aborted_) return;
    ncclResult_t found = ncclSuccess;
    std::unique_lock<std::timed_mutex> turn(mutex_, std::try_to_lock);
    missed = turn ? 0 : missed + 1;
    // A call looks for itself, unless it is stuck: cudaFree waits for a kernel that may wait for a dead rank.
    if (turn || missed >= kMostMissed) found = look();
    if (turn) turn.unlock();
    if (bootstrap_.ended() || (found != ncclSuccess && found != ncclInProgress)) {
      bootstrap_.abort();
      abort();
      return;
    }
  }
}

}  // namespace lambda_fast
