"""What `tune` makes of its trials: a recommendation in words, a table, a heat map."""

import dataclasses
import math

from . import heat_map, table
from .stability import lag_limit


def words(done):
    """A trial in a few words."""
    verdict = done.verdict
    if not verdict.stable:
        return f"not stable: {verdict.reason}"
    cores = f", {done.cpu_cores:.2f} cores" if done.cpu_cores is not None else ""
    return f"lag p50 {verdict.lag_p50:.0f} ms, p99 {verdict.lag_p99:.0f} ms, processing {verdict.processing_p50:.0f} ms{cores}"


def millis(value):
    """Milliseconds in words: the statistics count whole ones."""
    return f"{value:.0f} ms" if value >= 1 else "less than 1 ms"


def age(settings, done):
    """The age of a record when its result is there, on average, in ms: half a batch interval, and the lag."""
    return settings.interval_ms / 2 + done.verdict.lag_p50


def bad_age(settings, done):
    """The same for the unlucky: a whole batch interval, and the lag of the worst batch in a hundred."""
    return settings.interval_ms + done.verdict.lag_p99


@dataclasses.dataclass
class Found:
    """What the trials have shown."""
    results: list
    best: object = None
    smallest: object = None
    smallest_ms: int | None = None
    highest_rate: float | None = None

    @staticmethod
    def of(results):
        """`best`: the stable settings whose worst results are youngest, and of those within a tenth the ones that use the least
        of the processor. `smallest`: the same among those with the smallest stable interval."""
        stable = [(settings, done) for settings, done in results if done.verdict.stable]
        found = Found(results)
        if stable:
            found.best = _best(stable)
            least = min(settings.interval_ms for settings, _ in stable)
            found.smallest = _best([pair for pair in stable if pair[0].interval_ms == least])
        return found

    def largest_unstable_ms(self):
        """The largest interval below the smallest stable one at which every trial failed; 0 when there is none."""
        below = [settings.interval_ms for settings, _ in self.results if settings.interval_ms < self.smallest.interval_ms]
        return max(below, default=0)

    def trial(self, settings):
        return next(done for other, done in self.results if other == settings)


def _best(stable):
    youngest = min(bad_age(*pair) for pair in stable)
    near = [pair for pair in stable if bad_age(*pair) <= youngest * 1.1 + 1]
    return min(near, key=lambda pair: (pair[0].threads, pair[1].cpu_cores or 0.0))[0]


def advice(found, rate):
    """What to set, in sentences."""
    if not found.best:
        reasons = "\n".join(f"  {settings.words()}: {done.verdict.reason}" for settings, done in found.results[-3:])
        return (f"No combination keeps up with {rate:,.0f} lines/s. The last ones failed like this:\n{reasons}\n"
                "Try longer batch intervals (--intervals), more threads, or a lower rate; perf-scripts/profile shows where the "
                "time goes.")
    best, done = found.best, found.trial(found.best)
    parts = [
        f"Recommended for {rate:,.0f} lines/s: {best.words()}.",
        f"  MILLSTREAM_BATCH_INTERVAL={best.interval_ms}ms MILLSTREAM_MASTER='local[{best.threads}]' "
        f"MILLSTREAM_RECEIVER_BLOCK_INTERVAL={best.block_ms}ms MILLSTREAM_RECEIVER_SEGMENT_BYTES={best.segment_bytes >> 10}KiB",
        f"A line waits {millis(age(best, done))} for its result on average: half a batch, and "
        f"{millis(done.verdict.lag_p50)} until the batch is processed. 99 of 100 batches are done within "
        f"{millis(done.verdict.lag_p99)} of their close.",
    ]
    if found.smallest_ms is not None:
        parts.append(f"The smallest batch interval that was stable at this rate is {found.smallest_ms} ms.")
    if found.highest_rate is not None:
        parts.append(_headroom(found.highest_rate, rate))
    parts.append(_what_matters(found))
    return "\n".join(part for part in parts if part)


def _headroom(highest, rate):
    share = rate / highest if highest else 1.0
    sentence = (f"With the recommended settings the job sustains about {highest:,.0f} lines/s, so {rate:,.0f} are "
                f"{share:.0%} of it.")
    if share > 0.8:
        return sentence + " That is little room: a peak, or a busy neighbour, will make it lag. Stay below 80 %."
    return sentence


def _what_matters(found):
    """Names the settings that hardly made a difference, so that nobody tunes them further."""
    names = {"interval_ms": "the batch interval", "threads": "the number of threads", "block_ms": "the block interval",
             "segment_bytes": "the segment size"}
    little = []
    for field, name in names.items():
        values = {}
        for settings, done in found.results:
            others = all(getattr(settings, other) == getattr(found.best, other) for other in names if other != field)
            if others:
                values[getattr(settings, field)] = bad_age(settings, done) if done.verdict.stable else float("inf")
        if len(values) > 1 and max(values.values()) < 1.25 * min(values.values()) + 2:
            little.append(name)
    return f"Around this point {' and '.join(little)} made little difference." if little else ""


def write(folder, facts, results, text):
    """Writes tune.md, tune.csv and tune.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["batch", "block", "threads", "segment", "stable", "lag p50", "lag p99", "processing p50", "cores", "MB"]
    rows = []
    for settings, done in results:
        verdict = done.verdict
        figures = [verdict.lag_p50, verdict.lag_p99, verdict.processing_p50]
        rows.append([f"{settings.interval_ms} ms", f"{settings.block_ms} ms", settings.threads,
                     f"{settings.segment_bytes >> 10} KiB", "yes" if verdict.stable else f"no: {verdict.reason}",
                     *("-" if value is None else f"{value:.0f} ms" for value in figures),
                     "-" if done.cpu_cores is None else f"{done.cpu_cores:.2f}",
                     "-" if done.resident_mb is None else f"{done.resident_mb:.0f}"])
    table.write_markdown(folder / "tune.md", "Tuning", facts, [text.replace("\n", "\n\n") + "\n", table.markdown(columns, rows)])
    table.write_csv(folder / "tune.csv", facts, columns, rows)
    note = f"{facts['date']}, {facts['processor']}, {facts['cores']} cores; grey does not keep up. {facts['job']}"
    limits = "A cell is the time from a line's arrival to its result for the unlucky: one batch interval and the p99 of the lag."
    heat_map.sheet(folder / "tune.svg", f"Age of results at {facts['rate']}", _maps(results), [note, limits])


def _maps(results):
    """A map per number of threads and segment size: batch interval against block interval."""
    ages = [bad_age(settings, done) for settings, done in results if done.verdict.stable]
    low, high = min(ages, default=0), max(ages, default=1)

    def cell(settings, done):
        if not done.verdict.stable:
            return None, "unstable"
        value = bad_age(settings, done)
        # By the logarithm: from 10 to 20 ms is as much as from 1 to 2 s.
        share = 0.0 if high <= low else _log(value, low) / _log(high, low)
        return share, f"{value:.0f} ms" if value < lag_limit(5_000) else f"{value / 1e3:.1f} s"

    maps = []
    for threads, segment in sorted({(s.threads, s.segment_bytes) for s, _ in results}):
        mine = [(s, d) for s, d in results if (s.threads, s.segment_bytes) == (threads, segment)]
        intervals = sorted({s.interval_ms for s, _ in mine})
        # A block is no longer than its batch, so the longest batches have the block intervals as they were asked for.
        blocks = sorted({s.block_ms for s, _ in mine if s.interval_ms == intervals[-1]})
        known = {(s.interval_ms, s.block_ms): cell(s, d) for s, d in mine}
        cells = {(f"{ms} ms", f"{block} ms"): known.get((ms, min(block, ms))) for ms in intervals for block in blocks}
        maps.append(heat_map.HeatMap(f"{threads} threads, segments of {segment >> 10} KiB", "batch interval",
                                     [f"{ms} ms" for ms in intervals], "block interval", [f"{ms} ms" for ms in blocks], cells))
    return maps


def _log(value, low):
    return math.log(max(value, 1e-9) / max(low, 1e-9))
