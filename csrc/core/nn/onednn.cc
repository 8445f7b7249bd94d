// Running oneDNN's primitives on threads that are not its own.
#include "core/nn/onednn.h"

#include <atomic>

#include "core/base/error.h"
#include "core/nn/scratch.h"

// Of libgomp, whatever OpenMP this file's compiler has.
extern "C" int omp_get_max_threads(void);
extern "C" void omp_set_num_threads(int threads);

namespace lambda_fast {
namespace {

std::atomic<int64_t> primitives{0};

// What a thread needs to run a primitive again without an allocation: oneDNN's handles of the arguments.
std::vector<dnnl::memory>& memories_of_this_thread(int64_t primitive) {
  thread_local std::vector<std::vector<dnnl::memory>> known;
  if (known.size() <= static_cast<size_t>(primitive)) known.resize(primitive + 1);
  return known[primitive];
}

dnnl::stream& stream_of_this_thread() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

}  // namespace

OneThread::OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }

OneThread::~OneThread() { omp_set_num_threads(before_); }

dnnl::engine& cpu_engine() {
  static auto& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);  // threads of a pool may outlive main
  return engine;
}

dnnl::primitive_attr with_own_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Primitive::Primitive(const dnnl::primitive& primitive, Arguments arguments, const dnnl::memory::desc& scratchpad)
    : primitive_(primitive), arguments_(std::move(arguments)), id_(primitives.fetch_add(1)) {
  arguments_.emplace_back(DNNL_ARG_SCRATCHPAD, scratchpad);
}

void Primitive::run(std::initializer_list<void*> addresses) const {
  constexpr size_t kMost = 8;
  std::vector<dnnl::memory>& memories = memories_of_this_thread(id_);
  if (memories.empty()) {
    std::vector<dnnl::memory> made;
    for (const auto& argument : arguments_) made.emplace_back(argument.second, cpu_engine(), nullptr);
    memories.swap(made);
  }
  const size_t count = memories.size();
  if (addresses.size() + 1 != count || count > kMost) fail(ErrorKind::kInternal, "onednn", "wrong number of arguments");
  size_t i = 0;
  for (void* address : addresses) memories[i++].set_data_handle(address);
  memories[i].set_data_handle(scratch(ScratchSlot::kPrimitive, arguments_[i].second.get_size()));

  dnnl_exec_arg_t list[kMost];
  for (size_t k = 0; k < count; ++k) list[k] = {arguments_[k].first, memories[k].get()};
  const dnnl_status_t status =
      dnnl_primitive_execute(primitive_.get(), stream_of_this_thread().get(), static_cast<int>(count), list);
  if (status != dnnl_success) {
    fail(ErrorKind::kInternal, "onednn", "expected a primitive to run; found oneDNN's status ", status);
  }
}

}  // namespace lambda_fast
