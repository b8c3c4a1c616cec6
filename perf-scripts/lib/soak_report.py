"""What a soak has shown: findings, table and plots."""

import dataclasses

from . import scale, table
from .chart import Chart, sheet
from .numbers import median
from .sampling import Sample


@dataclasses.dataclass(frozen=True)
class Moment:
    """What was seen at a moment, in seconds since the beginning; lag of the batches and of the sender in ms."""
    at_s: float
    used: Sample
    lag_ms: int | None
    behind_ms: float


@dataclasses.dataclass(frozen=True)
class Finding:
    """Whether something is as it must be, in words."""
    good: bool
    words: str


# Between the second and the last quarter memory may wander by so much: pools and tables breathe.
MEMORY_SHARE, MEMORY_MB = 0.10, 20


def findings(done, samples, report):
    """The findings of a run. `report`: the program's own count, if it makes one."""
    found = [Finding(done.verdict.stable, f"keeps up: {done.verdict.reason}"), *_counts(done, report)]
    if len(samples) >= 8:
        found += _growths(samples)
    else:
        found.append(Finding(False, f"only {len(samples)} samples: too short to tell whether anything grows"))
    return found


def _counts(done, report):
    if done.sent is None:
        return [Finding(False, "the lines could not all be sent")]
    lines = done.sent["lines"]
    found = [Finding(done.records == lines, f"{done.records:,} of {lines:,} lines that were sent are in completed batches")]
    if report:
        same = (report["lines"], report["digest"]) == (lines, done.sent["digest"])
        found.append(Finding(same, f"the program counted {report['lines']:,} lines, and the digest of all keys is "
                                   + ("that of what was sent" if same else "NOT that of what was sent")))
    return found


def _growths(samples):
    quarter = len(samples) // 4
    early, late = samples[quarter:2 * quarter], samples[-quarter:]
    memory = [median([moment.used.resident_mb for moment in part]) for part in (early, late)]
    hours = (late[0].at_s - early[0].at_s) / 3_600
    grew = memory[1] - memory[0]
    good = grew <= max(MEMORY_MB, MEMORY_SHARE * memory[0])
    per_hour = f" ({grew / hours:+.1f} MB per hour)" if hours > 0.05 else ""
    found = [Finding(good, f"memory: {memory[0]:.0f} MB in the second quarter, {memory[1]:.0f} MB in the last{per_hour}")]
    for name in ("descriptors", "threads"):
        before, after = (max(getattr(moment.used, name) for moment in part) for part in (early, late))
        found.append(Finding(after <= before, f"{name}: {before} in the second quarter, {after} in the last"))
    return found


def write(folder, facts, samples, found):
    """Writes soak.md, soak.csv and soak.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["seconds", "resident_mb", "cpu_s", "descriptors", "threads", "lag_ms", "sender_behind_ms"]
    rows = [[f"{moment.at_s:.1f}", f"{moment.used.resident_mb:.1f}", f"{moment.used.cpu_s:.2f}", moment.used.descriptors,
             moment.used.threads, "" if moment.lag_ms is None else moment.lag_ms, f"{moment.behind_ms:.1f}"]
            for moment in samples]
    table.write_csv(folder / "soak.csv", facts, columns, rows)
    words = "".join(f"- {'ok' if finding.good else '**bad**'}: {finding.words}\n" for finding in found)
    table.write_markdown(folder / "soak.md", "Soak", facts, ["## Findings\n\n" + words])
    if samples:
        _plot(folder / "soak.svg", facts, samples)


def _plot(path, facts, samples):
    unit, size = ("minutes", 60) if samples[-1].at_s >= 300 else ("seconds", 1)
    times = [moment.at_s / size for moment in samples]

    def chart(title, label, values):
        known = [value for value in values if value is not None]
        drawn = Chart(title, scale.Linear(times), scale.Linear(known), unit, label)
        drawn.add("", list(zip(times, values)), dots=False)
        return drawn

    busy = [None] + [(b.used.cpu_s - a.used.cpu_s) / (b.at_s - a.at_s) for a, b in zip(samples, samples[1:])]
    charts = [
        chart("Resident memory", "MB", [moment.used.resident_mb for moment in samples]),
        chart("Worst lag of a batch since the last sample", "ms", [moment.lag_ms for moment in samples]),
        chart("Lag of the sender behind its schedule", "ms", [moment.behind_ms for moment in samples]),
        chart("Processor", "cores", busy),
        chart("Open descriptors", "number", [moment.used.descriptors for moment in samples]),
        chart("Threads", "number", [moment.used.threads for moment in samples]),
    ]
    note = f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, {facts['settings']}, {facts['rate']}, {facts['job']}"
    sheet(path, "Soak", charts, columns=2, notes=[note])
