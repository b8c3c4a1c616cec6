"""Word count from a socket: a sender whose rate rises step by step, until an engine does not keep up.

A step is sustained when its rate was reached and everything that was sent until its end has been counted `LATE_S` later: a batch
interval for the batch to close, another one for its work, and half of one for the clocks. At the end all words must be counted,
each once, or there is no number.
"""

import dataclasses
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path

LATE_S = 2.5
REACHED = 0.95
DRAIN_S = 90.0


@dataclasses.dataclass(frozen=True)
class Stairs:
    """How the rate rises."""

    first_mb_s: float
    factor: float
    seconds: float
    most: int
    # At the first rate, before the first step; not judged.
    warm_up_s: float


@dataclasses.dataclass(frozen=True)
class Step:
    rate_mb_s: float
    sent_mb_s: float
    sustained: bool
    cpu_per_gb: float


@dataclasses.dataclass(frozen=True)
class Climb:
    """What a run came to."""

    peer: str
    steps: tuple[Step, ...]
    peak_mb: float
    trouble: str = ""

    def best(self) -> Step | None:
        """The highest step that was sustained."""
        held = [step for step in self.steps if step.sustained]
        return max(held, key=lambda step: step.sent_mb_s) if held and not self.trouble else None


class _Reader:
    """The lines of a process, each with the time at which it came."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.lines: queue.Queue[tuple[float, list[str]]] = queue.Queue()
        self.seen: list[tuple[float, list[str]]] = []
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self.lines.put((time.monotonic(), line.split()))
        self.lines.put((time.monotonic(), ["closed"]))

    def until(self, word: str, timeout_s: float) -> list[str]:
        """Waits for a line that begins with a word; an empty list when it does not come."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            try:
                at, words = self.lines.get(timeout=left)
            except queue.Empty:
                break
            self.seen.append((at, words))
            if words and words[0] in (word, "closed"):
                return words if words[0] == word else []
        return []


def ceiling(sender: Path, file: Path, seconds: float) -> float:
    """MB per second that the sender reaches when nothing holds it up."""
    done = subprocess.run([sender, "ceiling", file, str(seconds)], stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout.split()[1])


def climb(peer: str, sender: Path, file: Path, stairs: Stairs, command, log: Path) -> Climb:
    """One run: `command(port)` is the engine's."""
    numbers = dataclasses.astuple(stairs)
    sending = subprocess.Popen(
        [sender, "steps", file, *map(str, numbers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    sent = _Reader(sending)
    engine = None
    try:
        port = sent.until("port", 60)[1]
        with open(log, "wb") as errors:
            engine = subprocess.Popen(
                command(port), stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        counted = _Reader(engine)
        if not sent.until("end", 60 + stairs.warm_up_s + 3 * stairs.seconds * stairs.most):
            return Climb(peer, (), 0.0, "failed: the sender did not come to its end")
        steps = [(at, words) for at, words in sent.seen if words[0] == "step"]
        trouble = _drain(counted, steps[-1][1][4:6])
        peak_mb = _peak_mb(engine.pid)
    finally:
        if engine:
            os.killpg(engine.pid, signal.SIGKILL)
            engine.wait()
        sending.kill()
        sending.wait()
    batches = [(at, words) for at, words in counted.seen if words[0] == "batch"]
    return Climb(peer, tuple(_steps(steps, batches)), peak_mb, trouble)


def _drain(counted: _Reader, expected: list[str]) -> str:
    """Waits until all words are counted; what is wrong, if so."""
    end = time.monotonic() + DRAIN_S
    got: list[str] = []
    while time.monotonic() < end and got != expected:
        words = counted.until("batch", max(0.0, end - time.monotonic()))
        if not words:
            break
        got = words[1:3]
    return "" if got == expected else f"WRONG: counted {got}, sent {expected} (words, digest)"


def _steps(steps: list[tuple[float, list[str]]], batches: list[tuple[float, list[str]]]) -> list[Step]:
    found, begin = [], None
    for at, (_, rate, size, seconds, words, _) in steps:
        reached = int(size) / 1e6 / float(seconds)
        in_time = [b for b in batches if b[0] <= at + LATE_S]
        sustained = reached >= REACHED * float(rate) and bool(in_time) and int(in_time[-1][1][1]) >= int(words)
        begin = begin if begin is not None else at - float(seconds)
        cpu = _cpu(batches, at) - _cpu(batches, begin)
        found.append(Step(float(rate), reached, sustained, cpu / (int(size) / 1e9) if int(size) else 0.0))
        begin = at
    return found


def _cpu(batches: list[tuple[float, list[str]]], at: float) -> float:
    """CPU seconds of the engine at a moment, between two of its batches on the line that joins them."""
    before = [b for b in batches if b[0] <= at]
    after = [b for b in batches if b[0] > at]
    if not before or not after:
        return float((before or after or [(0.0, ["", "", "", "0"])])[-1 if before else 0][1][3])
    (t0, w0), (t1, w1) = before[-1], after[0]
    return float(w0[3]) + (float(w1[3]) - float(w0[3])) * (at - t0) / (t1 - t0)


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
