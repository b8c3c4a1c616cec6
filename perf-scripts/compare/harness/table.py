"""The results as text: one table, for the terminal and as Markdown, and all figures as CSV."""

import csv
import dataclasses
import io

from peers.peer import Peer
from workloads.workload import Workload

from .child import Cost
from .summary import Row, Spread, ratio

HEAD = [
    "peer",
    "work s (quartiles)",
    "MB/s",
    "x ours",
    "with start s",
    "x ours",
    "CPU s/GB work",
    "x ours",
    "CPU s/GB with start",
    "peak MB",
]


def markdown(workloads: list[Workload], peers: list[Peer], rows: list[Row]) -> str:
    """A section per workload."""
    titles = {peer.name: peer.title for peer in peers}
    parts = []
    for workload in workloads:
        mine = [row for row in rows if row.workload == workload.name]
        if not mine:
            continue
        ours = next((row for row in mine if row.peer == "millstream"), None)
        cells = [_cells(row, ours, titles[row.peer]) for row in mine]
        parts.append(f"### {workload.title} (`{workload.name}`, {mine[0].gigabytes * 1e3:.0f} MB)\n\n{_aligned(cells)}")
    return "\n\n".join(parts) + "\n"


def _cells(row: Row, ours: Row | None, title: str) -> list[str]:
    work, wall = row.work(), row.wall()
    if work is None or wall is None:
        return [title, row.verdict()] + [""] * (len(HEAD) - 2)
    return [
        title,
        _quartiles(work),
        f"{row.gigabytes * 1e3 / work.median:.0f}",
        _times(ratio(row, ours, Row.work)),
        f"{wall.median:.2f}",
        _times(ratio(row, ours, Row.wall)),
        f"{_median(row.work_cpu_per_gb()):.2f}",
        _times(ratio(row, ours, Row.work_cpu_per_gb)),
        f"{_median(row.cpu_per_gb()):.2f}",
        f"{_median(row.peak_mb()):.0f}",
    ]


def _quartiles(spread: Spread) -> str:
    return f"{spread.median:.3f} ({spread.low:.3f}-{spread.high:.3f})"


def _median(spread: Spread | None) -> float:
    return spread.median if spread else float("nan")


def _times(value: float | None) -> str:
    return f"{value:.2f}" if value is not None else ""


def _aligned(cells: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [HEAD, *cells]) for i in range(len(HEAD))]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    head = [name.ljust(width) for name, width in zip(HEAD, widths)]
    body = [[row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])] for row in cells]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *body])


def comma_separated(rows: list[Row]) -> str:
    """Every repeat of every peer."""
    out = io.StringIO()
    names = [field.name for field in dataclasses.fields(Cost)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["workload", "peer", "gigabytes", "repeat", *names, "trouble"])
    for row in rows:
        start = [row.workload, row.peer, f"{row.gigabytes:.6f}"]
        for number, cost in enumerate(row.costs, 1):
            writer.writerow([*start, number, *(f"{getattr(cost, name):.6f}" for name in names), row.trouble])
        if not row.costs:
            writer.writerow([*start, 0, *("" for _ in names), row.trouble])
    return out.getvalue()
