"""How a Python program of the comparison tells its times; see harness/child.py."""

import sys
import time
from collections.abc import Callable


def run(workloads: dict[str, Callable[[str, str, int], None]]) -> None:
    """Runs the workload that the command line names, once: WORKLOAD INPUT OUTPUT THREADS."""
    workload, input, output, threads = sys.argv[1:]
    cpu, begin = time.process_time(), time.perf_counter()
    workloads[workload](input, f"{output}/part-0", int(threads))
    seconds, in_pass = time.perf_counter() - begin, time.process_time() - cpu
    print(f"pass 1 {seconds:.6f} {in_pass:.3f} {time.process_time():.3f}", flush=True)
