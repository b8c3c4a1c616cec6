"""Samples of Linux's perf: stacks of a running program."""

import collections
import re
import shutil
import subprocess

FRAME = re.compile(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)?(?: \(.*\))?$")
FREQUENCY = 499
# Enough of the stack for deep chains of closures.
STACK_BYTES = 16_384


def works():
    """Whether perf can sample a program here. In many containers it may not."""
    if not shutil.which("perf"):
        return False
    try:
        done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-o", "/dev/null", "true"], capture_output=True,
                              timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def command(path):
    """What stands before the command of a program to have it sampled, with all threads that it starts."""
    return ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "--call-graph", f"dwarf,{STACK_BYTES}",
            "-o", str(path), "--"]


def stacks(path):
    """How many samples each stack has; a stack is a tuple of (thread, outermost function, .., innermost). None of a run that was
    too short for perf to write any."""
    command = ["perf", "script", "-i", str(path), "--no-inline", "-F", "comm,ip,sym"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    counted = collections.Counter()
    thread, frames = None, []
    for line in [*done.stdout.splitlines(), ""]:
        frame = FRAME.match(line)
        if frame:
            frames.append(tidy(frame.group(1)))
        elif line.strip():
            thread = line.strip()
        elif thread:
            counted[(re.sub(r"-\d+$", "", thread), *reversed(frames))] += 1
            thread, frames = None, []
    return counted


def tidy(name):
    """A function's name without the hash behind it."""
    return re.sub(r"::h[0-9a-f]{16}$", "", name)
