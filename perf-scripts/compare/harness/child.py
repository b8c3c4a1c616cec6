"""A peer's program as a child process, and what it costs."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")


@dataclasses.dataclass
class Cost:
    """What a run took. CPU is user and system time of the process and its children, memory the largest resident set."""

    # From the start of the process to the first complete result: with everything that starts.
    wall_s: float
    cpu_s: float
    # The last pass alone, without start; the same as above where the program cannot tell.
    pass_s: float
    pass_cpu_s: float
    peak_mb: float


class Failed(Exception):
    """A child did not do what it was asked to."""


def run(command: list[str], log: Path, environment: dict[str, str], timeout_s: float) -> Cost:
    """Runs a program to its end."""
    launched = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCH), str(log), str(timeout_s), *command],
        stdout=subprocess.PIPE,
        env=os.environ | environment,
        check=True,
    )
    result = json.loads(launched.stdout)
    if result["exit"] != 0:
        last = log.read_text(errors="replace").splitlines()[-12:]
        raise Failed(f"exit code {result['exit']}; the end of {log}:\n  " + "\n  ".join(last))
    return cost(result)


def cost(result: dict) -> Cost:
    """What the figures of a run mean."""
    wall_s, cpu_s, passes = result["wall_s"], result["cpu_s"], result["passes"]
    if not passes:
        return Cost(wall_s, cpu_s, wall_s, cpu_s, result["peak_mb"])
    (first_wall_s, _, _, first_cpu_s), (_, pass_s, pass_cpu_s, _) = passes[0], passes[-1]
    # A program with one pass has its end, too: freeing its memory, for one. A second pass is not part of the first.
    if len(passes) > 1:
        wall_s, cpu_s = first_wall_s, first_cpu_s
    return Cost(wall_s, cpu_s, pass_s, pass_cpu_s, result["peak_mb"])
