"""What a record says of the machine."""

import os
import platform
from pathlib import Path


def facts() -> list[tuple[str, str]]:
    """Names and values."""
    return [
        ("processor", _field("/proc/cpuinfo", "model name") or platform.processor() or "unknown"),
        ("cores", str(os.cpu_count())),
        ("last-level cache", _read("/sys/devices/system/cpu/cpu0/cache/index3/size") or "unknown"),
        ("memory", f"{int((_field('/proc/meminfo', 'MemTotal') or '0 kB').split()[0]) / 1e6:.0f} GB"),
        ("kernel", platform.release()),
        ("governor", _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not told by this machine"),
        ("huge pages", _read("/sys/kernel/mm/transparent_hugepage/enabled") or "unknown"),
        ("load before", " ".join(f"{load:.2f}" for load in os.getloadavg())),
        ("python", platform.python_version()),
    ]


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _field(path: str, name: str) -> str:
    for line in _read(path).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
