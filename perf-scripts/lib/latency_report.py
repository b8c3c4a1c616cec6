"""Table and plots of `latency`."""

import dataclasses

from . import scale, table
from .chart import Chart, sheet
from .svg import COLOURS

NINES = ["50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]


@dataclasses.dataclass
class Row:
    """A measurement: interval in ms, load in percent of the sustainable rate (a lower bound, if the sender could send no more),
    what came of it."""
    interval: int
    load: float
    sustainable: float
    is_lower_bound: bool
    done: object
    report: dict | None

    def is_void(self):
        """Why the figures say nothing of the engine, or `None`."""
        if self.report is None or not self.done.verdict.stable:
            return f"not stable: {self.done.verdict.reason}"
        own, half = self.done.sent["own_lateness_us"]["p99"], self.report["line_us"]["p50"]
        if own > 0.1 * half:
            return f"the sender itself was late by {table.time_us(own)} (p99), more than a tenth of the median"
        return None

    def words(self):
        """The row for a terminal."""
        if self.report is None:
            return f"{self.done.rate:,.0f} lines/s: {self.done.verdict.reason}"
        line, close = self.report["line_us"], self.report["close_to_output_us"]
        void = self.is_void()
        return (f"{self.done.rate:,.0f} lines/s: p50 {table.time_us(line['p50'])}, p99 {table.time_us(line['p99'])}, "
                f"p99.99 {table.time_us(line['p99.99'])}; from close to output p50 {table.time_us(close['p50'])}, "
                f"p99 {table.time_us(close['p99'])}" + (f"  ({void})" if void else ""))


def write(folder, facts, rows, quantiles):
    """Writes latency.md, latency.csv, latency.svg and close_to_output.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = facts | {"latency": "from when a line was due to the result of its batch, the wait for the batch included"}
    measured = [row for row in rows if row.report]
    _write_csv(folder / "latency.csv", facts, measured, quantiles)
    parts = []
    for title, key in (("Per line, from schedule to result", "line_us"),
                       ("Newest line of each batch", "newest_us"),
                       ("From the close of a batch to its result", "close_to_output_us")):
        columns = ["batches", "load", "lines/s", *quantiles]
        body = [[f"{row.interval} ms", f"{row.load:.0f} %", table.count(row.done.rate)]
                + [table.time_us(row.report[key][name]) for name in quantiles] for row in measured]
        parts.append(f"## {title}\n\n" + table.markdown(columns, body))
    parts.append("## Sustainable rates\n\n" + _sustainable(rows))
    notes = [f"- {row.interval} ms at {row.load:.0f} %: {row.is_void()}\n" for row in rows if row.is_void()]
    if notes:
        parts.append("## Figures that say little of the engine\n\n" + "".join(notes))
    table.write_markdown(folder / "latency.md", "Latency", facts, parts)
    note = f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, {facts['threads']}, commit {facts['commit']}"
    _plot(folder / "latency.svg", "From when a line was due to its result", measured, "line_us", note)
    _plot(folder / "close_to_output.svg", "From the close of a batch to its result", measured, "close_to_output_us", note)


def _sustainable(rows):
    """A line per interval."""
    rates = {row.interval: f"- batches of {row.interval} ms: " + ("at least " if row.is_lower_bound else "")
             + f"{table.count(row.sustainable)} lines/s"
             + (", where the sender could send no more" if row.is_lower_bound else "") + "\n" for row in rows}
    return "".join(rates.values())


def _write_csv(path, facts, rows, quantiles):
    columns = ["interval_ms", "load_percent", "lines_per_second", "sustainable", "what"]
    columns += [f"{name}_us" for name in quantiles] + ["values", "sender_own_p99_us", "engine_cores", "void"]
    body = []
    for row in rows:
        for what in ("line_us", "newest_us", "close_to_output_us"):
            figures = row.report[what]
            body.append([row.interval, row.load, f"{row.done.rate:.0f}", f"{row.sustainable:.0f}", what.removesuffix("_us"),
                         *(figures[name] for name in quantiles), figures["count"],
                         row.done.sent["own_lateness_us"]["p99"], f"{row.done.cpu_cores or 0:.2f}", row.is_void() or ""])
    table.write_csv(path, facts, columns, body)


def _plot(path, title, rows, key, note):
    """A chart per load; a curve per interval over the quantiles, where each further nine is one step."""
    intervals = sorted({row.interval for row in rows})
    values = [value / 1_000 for row in rows for value in row.report[key]["by_tenth_of_nine"][3:] if value]
    charts = []
    for load in sorted({row.load for row in rows}):
        nines = scale.Given(0.3, 5, [(0.301, NINES[0])] + [(i, NINES[i]) for i in range(1, 6)])
        chart = Chart(f"{load:.0f} % of the sustainable rate", nines, scale.Log(values), "lines", "latency, ms")
        chart.keeps_dashes = False
        if key != "line_us":
            chart.x_label = "batches"
        for row in (row for row in rows if row.load == load):
            count = row.report[key]["count"]
            curve = enumerate(row.report[key]["by_tenth_of_nine"])
            # Beyond the last value there is no quantile to draw.
            points = [(i / 10, value / 1_000) for i, value in curve if i >= 3 and 10 ** (i / 10) <= count]
            colour = COLOURS[intervals.index(row.interval) % len(COLOURS)]
            chart.add(f"batches of {row.interval} ms", points, colour, "6 3" if row.is_void() else None, dots=False)
        charts.append(chart)
    void = "dashed: figures that say little of the engine; see latency.md"
    sheet(path, title, charts, columns=min(3, len(charts)), notes=[note, void])
