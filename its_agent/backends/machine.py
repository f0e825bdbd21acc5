"""What this machine offers to an engine: processors, free memory, a compiler, a GPU."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd")


def cores() -> str:
    """The processors that this process may use, as ranges: `0-3` or `0,2,4`."""
    if not hasattr(os, "sched_getaffinity"):
        return f"0-{(os.cpu_count() or 1) - 1}"
    numbers = sorted(os.sched_getaffinity(0))
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def free_memory() -> int | None:
    """Bytes that can be used without swapping, within a container's limit; None if unknown."""
    free = _available(Path("/proc/meminfo"))
    limit = _number(Path("/sys/fs/cgroup/memory.max"))
    used = _number(Path("/sys/fs/cgroup/memory.current"))
    if free is None or limit is None or used is None:
        return free
    return min(free, max(limit - used, 0))


def has_compiler() -> bool:
    """Whether a C++ compiler is there, which a compiled model on a CPU needs."""
    return shutil.which("g++") is not None


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16 products (AVX-512, AMX or Arm)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = set(re.findall(r"\w+", text))
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})


def has_gpu() -> bool:
    """Whether a GPU's device files are there."""
    return any(Path(device).exists() for device in _GPU_DEVICES)


def _available(meminfo: Path) -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
