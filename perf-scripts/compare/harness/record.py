"""What a run leaves behind: a page, the figures, a plot per workload."""

import shlex
import sys
import time
from pathlib import Path

from peers.peer import Peer
from workloads.workload import Workload

from . import machine, plot, table
from .summary import Row


def write(
    folder: Path,
    workloads: list[Workload],
    peers: list[Peer],
    rows: list[Row],
    versions: dict[str, str],
    missing: dict[str, str],
    facts: list[tuple[str, str]],
    commands: dict[tuple[str, str], str],
) -> list[Path]:
    """Writes all of it; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    date = time.strftime("%Y-%m-%d")
    stem = f"{date}-compare"
    page, figures = folder / f"{stem}.md", folder / f"{stem}.csv"
    figures.write_text(table.comma_separated(rows))
    plots = []
    note = f"median of {max((len(row.costs) for row in rows), default=0)} runs with quartiles, without start; {date}"
    for workload in workloads:
        mine = [row for row in rows if row.workload == workload.name]
        if mine:
            plots.append(folder / f"{stem}-{workload.name}.svg")
            plots[-1].write_text(plot.work_times(workload, peers, mine, note))
    page.write_text(_page(date, workloads, peers, rows, versions, missing, facts, commands, plots))
    return [page, figures, *plots]


def _page(date, workloads, peers, rows, versions, missing, facts, commands, plots) -> str:
    parts = [
        f"# The engine beside its peers, {date}",
        f"`perf-scripts/compare/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}`".rstrip(" `") + "`",
        "How it is measured, how the peers are set up and what favours whom: `perf-scripts/compare/README.md`. "
        "Every figure is of runs whose output was the answer. Of JVMs, *work* is a second pass in a warm machine; "
        "of all others it is the first and only pass.",
        "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in facts),
        "## Results",
        table.markdown(workloads, peers, rows).rstrip(),
        "\n".join(f"![{path.stem}]({path.name})" for path in plots),
        "## Peers",
        "| peer | version | set up |\n|---|---|---|\n"
        + "\n".join(f"| {peer.title} | {versions[peer.name]} | {peer.config} |" for peer in peers),
    ]
    if missing:
        lines = "\n".join(f"- {name}: {reason}" for name, reason in missing.items())
        parts += ["## Missing", lines]
    listed = "\n".join(f"{peer} on {workload}:\n  {command}" for (workload, peer), command in commands.items())
    parts += ["## Commands", f"```text\n{listed}\n```"]
    return "\n\n".join(parts) + "\n"
