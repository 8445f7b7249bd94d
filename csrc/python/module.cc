// The module `lambda_fast.native._core`: the native engine for numpy, and what Python must know of the build.
#include "python/module.h"

#include <string>  // defines _GLIBCXX_USE_CXX11_ABI

#include "core/augment/augment.h"
#include "core/base/error.h"
#include "core/nn/convolution.h"

#define LF_TEXT_OF(x) #x
#define LF_TEXT(x) LF_TEXT_OF(x)

namespace py = pybind11;

PYBIND11_MODULE(_core, module) {
  module.doc() = "The native engine of lambda_fast: numpy in, numpy out.";

  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const lambda_fast::Error& error) {
      const bool callers = error.kind() == lambda_fast::ErrorKind::kInvalidArgument;
      PyErr_SetString(callers ? PyExc_ValueError : PyExc_RuntimeError, error.what());
    }
  });

  module.def(
      "build_info",
      [] {
        py::dict info;
        info["cuda"] = LF_BUILD_CUDA;              // nvcc's version, or ""
        info["tensorflow"] = LF_BUILD_TENSORFLOW;  // the version whose headers were used, or ""
        info["compiler"] = LF_BUILD_COMPILER;
        // As the flag that TensorFlow's own build had: libstdc++ has two strings, and they do not mix.
        info["abi"] = "-D_GLIBCXX_USE_CXX11_ABI=" LF_TEXT(_GLIBCXX_USE_CXX11_ABI);
        info["mpi"] = LF_BUILD_MPI;                                // the version of mpich whose header was used, or ""
        info["nccl"] = LF_BUILD_NCCL;                              // the version of nccl.h, or ""
        info["convolution"] = lambda_fast::convolution_library();  // oneDNN's name and version, or ""
        info["fast_bfloat16"] = lambda_fast::has_fast_bfloat16();
        info["isa"] = lambda_fast::augment_cpu_isa();
        return info;
      },
      "What this build was made with, and the instruction set that its CPU loops use here.");

  lambda_fast::add_random(module);
  lambda_fast::add_augment(module);
  lambda_fast::add_image(module);
  lambda_fast::add_collective(module);
  lambda_fast::add_ffi(module);
}
