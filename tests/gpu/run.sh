#!/usr/bin/env bash
# On a machine with a GPU, nvcc, JAX and CuPy, with or without TensorFlow: builds core, handlers and _core, holds the
# CUDA path to the CPU's bytes, and times it against a device copy. Sums among ranks also need mpich and NCCL
# (nvidia-nccl-cu12, or another by LAMBDA_FAST_NCCL_LIBRARY and CMAKE_ARGS=-DLAMBDA_FAST_NCCL_INCLUDE=…), images DALI.
#
#   bash tests/gpu/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
build=${BUILD_DIR:-build/gpu}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
mkdir -p "$build"
generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S . -B "$build" "${generator[@]}" -DLAMBDA_FAST_TF=OFF -DLAMBDA_FAST_CUDA=ON \
  -DPython_EXECUTABLE="$($python -c 'import sys; print(sys.executable)')" -DLAMBDA_FAST_OUTPUT="$PWD/lambda_fast/native" \
  ${CMAKE_ARGS:-} >"$build.log" 2>&1 ||
  { cat "$build.log"; exit 1; }
cmake --build "$build" --parallel "$(nproc)" | tail -3

PYTHONPATH=$PWD:${PYTHONPATH:-} $python -m pytest -q -p no:cacheprovider tests/gpu tests/core/test_augment.py -rs
PYTHONPATH=$PWD:${PYTHONPATH:-} $python benchmarks/gpu_augment.py
if [ -n "${LAMBDA_FAST_PHOTOS:-}" ] && $python -c "import nvidia.dali" 2>/dev/null; then
  PYTHONPATH=$PWD:${PYTHONPATH:-} $python benchmarks/gpu_decode.py
fi
