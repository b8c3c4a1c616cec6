"""What a run leaves behind: a page, the figures, a plot per workload."""

import dataclasses
import shlex
import sys
import time
from pathlib import Path

from peers.peer import Peer
from workloads.workload import Workload

from . import plot, socket_run, table
from .staircase import Climb
from .summary import Row

ROOT = Path(__file__).resolve().parents[3]


@dataclasses.dataclass(frozen=True)
class Run:
    """All that came of a run."""

    workloads: list[Workload]
    peers: list[Peer]
    rows: list[Row]
    climbs: list[Climb]
    # The tables, as Markdown.
    text: str
    versions: dict[str, str]
    missing: dict[str, str]
    facts: list[tuple[str, str]]
    # By workload and peer.
    commands: dict[tuple[str, str], str]


def write(folder: Path, run: Run) -> list[Path]:
    """Writes all of it; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    date = time.strftime("%Y-%m-%d")
    stem = f"{date}-compare"
    page, figures = folder / f"{stem}.md", folder / f"{stem}.csv"
    figures.write_text(table.comma_separated(run.rows))
    others = [socket_run.write(folder, stem, run.climbs)] if run.climbs else []
    plots = _plots(folder, stem, run, date)
    page.write_text(_page(date, run, plots))
    return [page, figures, *others, *plots]


def _plots(folder: Path, stem: str, run: Run, date: str) -> list[Path]:
    plots = []
    repeats = max((len(row.costs) for row in run.rows), default=0)
    note = f"median of {repeats} runs, quartiles as a line; in a warm process; {date}"
    for workload in run.workloads:
        mine = [row for row in run.rows if row.workload == workload.name]
        if mine:
            plots.append(folder / f"{stem}-{workload.name}.svg")
            plots[-1].write_text(plot.work_times(workload, run.peers, mine, note))
    return plots


def _page(date: str, run: Run, plots: list[Path]) -> str:
    peers = [f"| {peer.title} | {run.versions[peer.name]} | {peer.config} |" for peer in run.peers]
    parts = [
        f"# The engine beside its peers, {date}",
        f"`{shlex.join(['perf-scripts/compare/run.py', *sys.argv[1:]])}`",
        "How it is measured, how the peers are set up and what favours whom: `perf-scripts/compare/README.md`. "
        "Every figure is of runs whose output was the answer. *Work* is a second pass over the same input in the same "
        "process, which is warm then; only of mawk it is the first.",
        "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in run.facts),
        "## Results",
        run.text.strip(),
        "\n".join(f"![{path.stem}]({path.name})" for path in plots),
        "## Peers",
        "| peer | version | set up |\n|---|---|---|\n" + "\n".join(peers),
    ]
    if run.missing:
        parts += ["## Missing", "\n".join(f"- {name}: {reason}" for name, reason in run.missing.items())]
    listed = "\n".join(f"{peer} on {workload}:\n  {command}" for (workload, peer), command in run.commands.items())
    # As from the project's folder, wherever that is.
    listed = listed.replace(f"{ROOT}/", "")
    parts += ["## Commands", f"```text\n{listed}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"
