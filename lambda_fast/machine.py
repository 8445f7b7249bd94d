"""What a run ran on: versions and hardware, for summaries and benchmarks."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lambda_fast import native

PACKAGES = ("lambda_fast", "tensorflow", "keras", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result, and of the native build."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    build = native.core().build_info()
    return found | {
        "compiler": build["compiler"],
        "cuda": build["cuda"] or "none",
        "convolution": build["convolution"] or "TensorFlow's",
    }


def machine() -> dict[str, Any]:
    """The processor, its cores and memory, and the GPUs that TensorFlow sees."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(device).get("device_name", "GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "isa": native.core().build_info()["isa"],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpus": gpus,
    }


def peak_memory() -> dict[str, float | None]:
    """The most GiB that this process has had in memory so far, of the host and of its GPU."""
    import tensorflow as tf

    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    peak = None
    if tf.config.list_physical_devices("GPU"):
        peak = round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30, 3)
    return {"host_gib": round(kibibytes / 2**20, 3), "gpu_gib": peak}


def available_memory() -> int:
    """Bytes that this process may still take, of the machine's or of its container's."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        available = int(kibibytes) * 1024
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text())
        available = min(available, most - int((group / "memory.current").read_text()))
    return max(0, available)


def _cpu_name() -> str:
    """With family and model, where the system tells them: one name may stand for many."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    name = found.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in found and "model" in found:
        name += f", family {found['cpu family']} model {found['model']}"
    return name
