// Opens the MPI library and finds what is used of it.
#include "core/collective/mpi_library.h"

#include <dlfcn.h>

#include "core/base/error.h"

namespace lambda_fast {
namespace {

constexpr char kRemedy[] =
    ". pip install mpich, or name a library of MPI's standard ABI (libmpi_abi.so) in LAMBDA_FAST_MPI_LIBRARY";

template <class Function>
void find(void* library, const std::string& path, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  if (*function == nullptr) {
    fail(ErrorKind::kUnavailable, "mpi", "expected ", name, " in ", path, ", found none", kRemedy);
  }
}

}  // namespace

MpiLibrary::MpiLibrary(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail(ErrorKind::kUnavailable, "mpi", "expected an MPI library, found: ", dlerror(), kRemedy);
  // Open MPI and MPICH before 4.2 have the same names with other constants: only MPI 5 has this one.
  decltype(&MPI_Abi_get_version) abi_version;
  find(library, path, "MPI_Abi_get_version", &abi_version);
  int major = 0, minor = 0;
  abi_version(&major, &minor);
  if (major != MPI_ABI_VERSION) {
    fail(ErrorKind::kUnavailable, "mpi", "expected MPI's standard ABI ", MPI_ABI_VERSION, ".x, found ", major, ".",
         minor, " in ", path, kRemedy);
  }
  find(library, path, "MPI_Init_thread", &init_thread);
  find(library, path, "MPI_Initialized", &initialized);
  find(library, path, "MPI_Finalize", &finalize);
  find(library, path, "MPI_Abort", &abort);
  find(library, path, "MPI_Comm_rank", &comm_rank);
  find(library, path, "MPI_Comm_size", &comm_size);
  find(library, path, "MPI_Comm_split_type", &comm_split_type);
  find(library, path, "MPI_Comm_set_errhandler", &comm_set_errhandler);
  find(library, path, "MPI_Allreduce", &all_reduce);
  find(library, path, "MPI_Alltoall", &all_to_all);
  find(library, path, "MPI_Allgather", &all_gather);
  find(library, path, "MPI_Bcast", &bcast);
  find(library, path, "MPI_Error_string", &error_string);
  find(library, path, "MPI_Get_library_version", &library_version);
}

void MpiLibrary::check(int code, const char* what) const {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  error_string(code, text, &length);
  fail(ErrorKind::kInternal, "mpi", "expected ", what, " to succeed, found: ", text);
}

}  // namespace lambda_fast
