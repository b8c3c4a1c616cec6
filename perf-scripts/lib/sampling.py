"""What a process uses, from Linux's /proc."""

import dataclasses
import os

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass(frozen=True)
class Sample:
    """Memory in MB, processor seconds since the start, open descriptors, threads."""
    resident_mb: float
    cpu_s: float
    descriptors: int
    threads: int


def sample(pid):
    """What the process uses now; `None` when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The second field is a name in parentheses that may hold anything.
            fields = file.read().rpartition(") ")[2].split()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    user, system, threads, resident = int(fields[11]), int(fields[12]), int(fields[17]), int(fields[21])
    return Sample(resident * PAGE / 1e6, (user + system) / TICKS, descriptors, threads)
