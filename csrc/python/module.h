// Parts of the module `_core`, one function for each.
#pragma once

#include <pybind11/pybind11.h>

namespace lambda_fast {

void add_augment(pybind11::module_& module);
void add_image(pybind11::module_& module);
void add_collective(pybind11::module_& module);
void add_random(pybind11::module_& module);
void add_ffi(pybind11::module_& module);

}  // namespace lambda_fast
