"""The socket workload from end to end: the sender's ceiling, then the peers in turn, and its table."""

import csv
import io
import statistics
from collections.abc import Callable
from pathlib import Path

import workloads
from peers.peer import Peer

from . import inputs, staircase
from .place import Place
from .staircase import Climb, Stairs

TITLE = "word count from a socket, batches of 1 s"
SENDER_MB = 64


def measure(
    place: Place, peers: list[Peer], repeats: int, quick: bool, say: Callable[[str], None]
) -> tuple[float, list[Climb]]:
    """The sender's ceiling in MB/s, and every climb of every peer."""
    sender = place.cargo("compare-programs") / "sender"
    file = inputs.prepare(place, workloads.ALL[0], SENDER_MB).path
    ceiling = staircase.ceiling(sender, file, 1 if quick else 5)
    say(f"socket: the sender reaches {ceiling:.0f} MB/s when nothing holds it up")
    climbs = []
    for repeat in range(repeats):
        for peer in peers if repeat % 2 == 0 else peers[::-1]:
            first = peer.socket_first_mb_s
            stairs = Stairs(first, 2.0, 3.0, 3, 6.0) if quick else Stairs(first, 1.15, 6.0, 24, 40.0)
            log = place.inside("logs") / f"socket-{peer.name}.log"
            climbs.append(
                staircase.climb(
                    peer.name, sender, file, stairs, lambda port: peer.socket_command(place, port), log
                )
            )
            best = climbs[-1].best()
            what = f"{best.sent_mb_s:.0f} MB/s" if best else climbs[-1].trouble or "not even the first step"
            say(f"  {repeat + 1}/{repeats} {peer.name}: {what}")
    return ceiling, climbs


def markdown(ceiling: float, peers: list[Peer], climbs: list[Climb]) -> str:
    """A row per peer."""
    ours = _rate([climb for climb in climbs if climb.peer == "millstream"])
    lines = [
        f"### {TITLE} (`socket`)",
        "",
        f"The sender alone reaches {ceiling:.0f} MB/s. It runs on the same cores.",
        "",
        "| peer | MB/s sustained, median (of each run) | ours is x times that | CPU s/GB at that step | peak MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for peer in peers:
        mine = [climb for climb in climbs if climb.peer == peer.name]
        rate = _rate(mine)
        if rate is None:
            trouble = next((climb.trouble.split(":")[0] for climb in mine if climb.trouble), "did not keep up")
            lines.append(f"| {peer.title} | {trouble} | | | |")
            continue
        bests = [best for climb in mine if (best := climb.best())]
        each = ", ".join(f"{best.sent_mb_s:.0f}" for best in bests)
        cpu = statistics.median(best.cpu_per_gb for best in bests)
        peak = statistics.median(climb.peak_mb for climb in mine)
        ratio = f"{ours / rate:.1f}" if ours else ""
        lines.append(f"| {peer.title} | {rate:.0f} ({each}) | {ratio} | {cpu:.2f} | {peak:.0f} |")
    return "\n".join(lines) + "\n"


def _rate(climbs: list[Climb]) -> float | None:
    """The median of the best steps; none when a run went wrong."""
    bests = [climb.best() for climb in climbs]
    if not bests or not all(bests):
        return None
    return statistics.median(best.sent_mb_s for best in bests if best)


def comma_separated(climbs: list[Climb]) -> str:
    """Every step of every run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["peer", "run", "rate_mb_s", "sent_mb_s", "sustained", "cpu_s_per_gb", "peak_mb", "trouble"])
    runs: dict[str, int] = {}
    for climb in climbs:
        runs[climb.peer] = runs.get(climb.peer, 0) + 1
        for step in climb.steps:
            figures = [f"{step.rate_mb_s:.2f}", f"{step.sent_mb_s:.2f}", int(step.sustained), f"{step.cpu_per_gb:.3f}"]
            writer.writerow([climb.peer, runs[climb.peer], *figures, f"{climb.peak_mb:.0f}", climb.trouble])
    return out.getvalue()


def write(folder: Path, stem: str, climbs: list[Climb]) -> Path:
    path = folder / f"{stem}-socket.csv"
    path.write_text(comma_separated(climbs))
    return path
