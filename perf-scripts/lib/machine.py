"""What a record must say of the machine and the program that it was made with."""

import datetime
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def facts(**more):
    """Date, processor, cores, kernel, commit, load, and what the script adds."""
    known = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "processor": processor(),
        "cores": cores(),
        "kernel": platform.release(),
        "commit": commit(),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    return known | {key.replace("_", " "): value for key, value in more.items()}


def cores():
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit():
    """The commit, with a word about changes that are not in it; empty outside of a repository."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    try:
        head, changes = git("rev-parse", "--short", "HEAD"), git("diff", "--quiet", "HEAD")
    except FileNotFoundError:
        return "unknown (no git)"
    if head.returncode != 0:
        return "unknown (not a repository)"
    return head.stdout.strip() + (" with changes" if changes.returncode else "")


def warn_if_busy():
    """Says so when other programs use the machine: then figures are not worth keeping. Returns the words, or None."""
    load = os.getloadavg()[0]
    if load > 0.5 * cores():
        return f"the load of the machine was {load:.1f} on {cores()} cores before the run: the figures are provisional"
    return None
