"""The processor and the GPUs: what they can do, and what of it will be used."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lambda_fast import machine, native
from lambda_fast.doctor import Finding

# As /proc/cpuinfo names them, with what uses them.
FEATURES = ("avx2", "avx512bw", "avx512_bf16", "amx_bf16")
LEAST_MEMORY = 4 << 30  # bytes; below, a note


def processor() -> Iterator[Finding]:
    """The CPU, the instruction set of each kernel, memory."""
    about = machine.machine()
    flags = next(
        (
            line.split()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith(("flags", "Features"))
        ),
        [],
    )
    has = [name for name in FEATURES if name in flags]
    yield Finding(
        "CPU", "ok", f"{about['cores']} cores of {about['cpu']}; {', '.join(has) or 'no AVX2'}"
    )
    built = native.core().build_info()
    forced = os.environ.get("LAMBDA_FAST_ISA", "")
    loops = f"augmentation, resizing and normalisation use {built['isa']}"
    if forced:
        yield Finding(
            "loops", "note", f"{loops}: LAMBDA_FAST_ISA asks for it", "unset LAMBDA_FAST_ISA"
        )
    else:
        yield Finding("loops", "ok", loops)
    if built["fast_bfloat16"]:
        used = f"{has[-1]}, used by oneDNN and kernels of our own; precision=auto means bfloat16"
        yield Finding("bfloat16", "ok", used)
    else:
        yield Finding(
            "bfloat16",
            "note",
            "no arithmetic for it (AVX512-BF16, AMX) that oneDNN uses: precision=auto means "
            "float32",
        )
    available = machine.available_memory()
    verdict = "ok" if available >= LEAST_MEMORY else "note"
    yield Finding("memory", verdict, f"{available / 2**30:.1f} GiB available")


def gpus() -> Iterator[Finding]:
    """The GPUs, their driver, and who takes how much of their memory."""
    import tensorflow as tf

    seen = tf.config.list_physical_devices("GPU")
    driver = Path("/proc/driver/nvidia/version")
    if not driver.exists() and not seen:
        yield Finding(
            "GPUs",
            "note",
            "none: trains on the CPU; no memory to share out between TensorFlow, DALI and NCCL",
        )
        return
    rows = _nvidia_smi("index,name,driver_version,memory.total,memory.used,compute_cap")
    for index, name, version, total, used, capability in rows:
        yield Finding(
            f"GPU {index}",
            "ok",
            f"{name}, compute capability {capability}, driver {version}, {total} MiB",
        )
        yield _budget(index, int(total), int(used))
    built = tf.sysconfig.get_build_info()
    toolkit = f"TensorFlow was built for CUDA {built.get('cuda_version', 'none')}"
    own = native.core().build_info()["cuda"]
    if len(seen) < len(rows) and os.environ.get("CUDA_VISIBLE_DEVICES") is None:
        yield Finding(
            "CUDA",
            "wrong",
            f"TensorFlow sees {len(seen)} of {len(rows)} GPUs. {toolkit}",
            "pip install 'tensorflow[and-cuda]==2.21.*'",
        )
    else:
        yield Finding("CUDA", "ok", f"{toolkit}, the native library with nvcc {own or 'none'}")


def _budget(index: str, total: int, used: int) -> Finding:
    """DALI and NCCL take their memory from what TensorFlow leaves."""
    name = f"GPU {index} memory"
    free = f"{total - used} of {total} MiB free"
    if os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH", "").lower() in ("1", "true"):
        return Finding(
            name, "ok", f"{free}; TensorFlow takes what it needs, DALI and NCCL from the rest"
        )
    return Finding(
        name,
        "note",
        f"{free}; TensorFlow takes nearly all of it at its start, unless images are decoded on "
        "the GPU, and leaves DALI and NCCL little",
        "export TF_FORCE_GPU_ALLOW_GROWTH=true",
    )


def _nvidia_smi(fields: str) -> list[list[str]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
