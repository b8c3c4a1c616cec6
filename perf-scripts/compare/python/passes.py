"""How a Python program of the comparison tells its times; see harness/child.py."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

# The first is the cold start, the last the figure of a process that is warm; the same for all peers.
PASSES = 2


def run(workloads: dict[str, Callable[[str, str, int], None]]) -> None:
    """Runs the workload that the command line names, several times over: WORKLOAD INPUT OUTPUT THREADS."""
    workload, input, output, threads = sys.argv[1:]
    result = Path(output) / "part-0"
    for number in range(1, PASSES + 1):
        result.unlink(missing_ok=True)
        cpu, begin = time.process_time(), time.perf_counter()
        workloads[workload](input, str(result), int(threads))
        seconds, in_pass = time.perf_counter() - begin, time.process_time() - cpu
        print(f"pass {number} {seconds:.6f} {in_pass:.3f} {time.process_time():.3f}", flush=True)
