"""Runs one program and prints what it cost, as JSON.

It is a process of its own, and a small one, because Linux counts the memory of the process that forks to the child: the largest
resident set of a program is at least that of its parent. Arguments: LOG TIMEOUT_S COMMAND...
"""

import json
import os
import subprocess
import sys
import threading
import time


def main() -> None:
    log, timeout_s, *command = sys.argv[1:]
    with open(log, "ab") as errors:
        begin = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        late = threading.Timer(float(timeout_s), child.kill)
        late.start()
        passes = passes_of(child.stdout, begin)
        _, status, usage = os.wait4(child.pid, 0)
        late.cancel()
        wall_s = time.monotonic() - begin
    result = {
        "exit": os.waitstatus_to_exitcode(status),
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
        "passes": passes,
    }
    print(json.dumps(result))


def passes_of(output, begin: float) -> list[list[float]]:
    """Lines `pass NUMBER SECONDS CPU CPU_SINCE_START`, each with the time at which it came before."""
    passes = []
    for line in output:
        words = line.split()
        if len(words) == 5 and words[0] == b"pass":
            passes.append([time.monotonic() - begin, *(float(word) for word in words[2:])])
    return passes


if __name__ == "__main__":
    main()
