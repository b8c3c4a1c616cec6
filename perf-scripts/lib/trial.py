"""One run of a program under a load: start, send, drain, stop, judge."""

import dataclasses
import pathlib
import tempfile
import time

from . import stability
from .errors import Failure
from .jobs import free_address
from .programs import Program
from .sampling import sample
from .stats_file import StatsFile

REPORT_S = 0.2
STOP_S = 30


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent, and for how long; the first `warm_up` seconds do not count."""
    generator: pathlib.Path
    rate: float
    seconds: float
    warm_up: float
    line_bytes: int = 100
    keys: int = 1_000
    file: str | None = None
    pace_us: int = 100

    def command(self, *where):
        options = ["--rate", self.rate, "--seconds", self.seconds + self.warm_up, "--line-bytes", self.line_bytes,
                   "--keys", self.keys, "--pace-us", self.pace_us, "--report-ms", int(REPORT_S * 1000)]
        return [self.generator, *where, *options, *(["--file", self.file] if self.file else [])]


@dataclasses.dataclass
class Trial:
    """What came of a run."""
    verdict: stability.Verdict
    rate: float
    sent: dict | None
    said: list
    batches: list
    records: int
    is_sender_bound: bool
    cpu_cores: float | None
    resident_mb: float | None


class Run:
    """A program and its sender, while they run."""

    def __init__(self, job, settings, load, folder):
        self.job, self.settings, self.load = job, settings, load
        self.stats = StatsFile(pathlib.Path(folder) / "batches.jsonl")
        self.behind = []
        self.sent = None
        self.blocked = True
        self.program = self.sender = None

    def start(self):
        """Starts both, in the order that the job wants, and waits until lines flow."""
        variables = self.settings.variables(self.stats.path)
        if self.job.connects:
            self.sender = Program("the load generator", self.load.command("--listen", "127.0.0.1:0"))
            address = self.sender.await_object("listening", 10)["listening"]
        else:
            address = free_address()
        self.program = Program("the program", self.job.command(self.settings, address), env=variables)
        if not self.job.connects:
            self.sender = Program("the load generator", self.load.command("--connect", address))
        end = time.monotonic() + 25
        while not any("connected" in said for said in self.sender.objects):
            if self.program.has_ended():
                raise Failure(f"the program ended with code {self.program.process.returncode} before it took a line"
                              f"{self.program.last_words()}")
            if self.sender.has_ended() or time.monotonic() > end:
                raise Failure(f"no connection between program and load generator{self.sender.last_words()}"
                              f"{self.program.last_words()}")
            time.sleep(0.01)
        return next(said for said in self.sender.objects if "connected" in said)

    def watch(self, each=lambda run: None):
        """Waits until everything is sent. Returns why it was given up before, or `None`."""
        interval = self.settings.interval_ms
        behind_max = max(1_500, 3 * interval)
        while True:
            said = self._next_report()
            self.blocked = stability.is_blocked(said)
            if "done" in said:
                self.sent = said
                return None
            self.behind.append(said["behind_ms"])
            each(self)
            if self.program.has_ended():
                raise Failure(f"the program ended with code {self.program.process.returncode} while lines were sent"
                              f"{self.program.last_words()}")
            if said["behind_ms"] > behind_max:
                return stability.why_behind(said["behind_ms"], self.blocked)
            lag = max((batch.lag_ms for batch in self.stats.read()[-3:]), default=0)
            if lag > max(20 * interval, 3_000):
                return f"a batch lagged by {lag} ms"

    def _next_report(self):
        timeout = 60 + self.load.seconds
        while True:
            said = self.sender.await_any(timeout)
            if "done" in said or "behind_ms" in said:
                return said

    def drain(self):
        """Waits until every line that was sent is in a completed batch, within a bound; whether it came so far."""
        end = time.monotonic() + max(3.0, 12 * self.settings.interval_ms / 1_000)
        while self.stats.read() is not None and self.stats.records() < self.sent["lines"]:
            if time.monotonic() > end or self.program.has_ended():
                return False
            time.sleep(0.02)
        return True

    def end(self):
        for process in (self.sender, self.program):
            if process:
                process.kill()


def run(job, settings, load, each=lambda run: None, during=None):
    """Runs a job under a load. `each` is called at every report of the sender with the `Run`; `during` once when lines flow."""
    with tempfile.TemporaryDirectory(prefix="millstream-trial-") as folder:
        trial = Run(job, settings, load, folder)
        try:
            return _run(trial, each, during)
        finally:
            trial.end()


def _run(trial, each, during):
    begin_us = trial.start()["begin_us"]
    if during:
        during(trial)
    given_up = trial.watch(each)
    used = sample(trial.program.process.pid)
    sent_all = not given_up and trial.drain()
    begin_ms = begin_us / 1_000 + trial.load.warm_up * 1_000
    end_ms = begin_us / 1_000 + (trial.load.warm_up + trial.load.seconds) * 1_000
    if not given_up:
        trial.program.stop(STOP_S)
    _check_settings(trial)
    batches = [batch for batch in trial.stats.read() if begin_ms <= batch.batch_time_ms <= end_ms]
    verdict = stability.judge(batches, trial.settings.interval_ms, sent_all, trial.behind, trial.blocked)
    if given_up:
        verdict = dataclasses.replace(verdict, stable=False, reason=given_up)
    elapsed = trial.sent["elapsed_ms"] / 1_000 if trial.sent else None
    return Trial(verdict, trial.load.rate, trial.sent, trial.program.objects, batches, trial.stats.records(),
                 is_sender_bound(trial), used.cpu_s / elapsed if used and elapsed else None,
                 used.resident_mb if used else None)


def is_sender_bound(trial):
    """Whether the sender was late by its own fault."""
    late = stability.median_behind(trial.behind) > stability.behind_limit(trial.settings.interval_ms)
    return late and not trial.blocked


def _check_settings(trial):
    if trial.stats.read() is not None and trial.stats.settings is None:
        raise Failure("the program wrote no statistics: MILLSTREAM_STATS_FILE reaches only programs that build their "
                      "configuration with Config::new().layered()")
    trial.settings.check(trial.stats.settings)
