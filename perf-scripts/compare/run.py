#!/usr/bin/env python3
"""Runs the engine beside its peers on the same bytes, checks every answer, and prints one table.

The first run installs the peers into the comparison's own folder (about 1.3 GB) and builds the Rust programs; the later ones find
them there. Nothing outside of that folder is changed.
"""

import argparse
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import peers
import workloads
from harness import inputs, machine, record, rounds, socket_run, table
from harness.place import Missing, Place


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [workload.name for workload in workloads.ALL] + ["socket"]
    parser.add_argument("--workloads", help=f"some of {', '.join(names)}; all of them without it", metavar="A,B")
    known = [peer.name for peer in peers.ALL]
    parser.add_argument("--peers", help=f"some of {', '.join(known)}; all of them without it", metavar="A,B")
    parser.add_argument("--repeats", type=int, default=5, help="how often each peer runs (default: %(default)s)")
    parser.add_argument(
        "--mb", type=int, default=320, help="size of an input; ten times the cache is fair (default: %(default)s)"
    )
    parser.add_argument("--dir", type=Path, default=HERE / ".work", help="the comparison's own folder")
    parser.add_argument("--record", type=Path, metavar="DIR", help="also write Markdown, CSV and SVG plots there")
    parser.add_argument("--quick", action="store_true", help="8 MB and one repeat: whether all works, no figures")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.mb, chosen.repeats = 8, 1
    if chosen.repeats < 1 or chosen.mb < 1:
        parser.error("--repeats and --mb are at least 1")
    named = chosen.workloads.split(",") if chosen.workloads else ["socket"]
    chosen.socket = "socket" in named
    if chosen.workloads:
        chosen.workloads = ",".join(name for name in named if name != "socket")
    chosen.workloads = pick(parser, chosen.workloads, workloads.ALL)
    chosen.peers = pick(parser, chosen.peers, peers.ALL)
    return chosen


def pick(parser: argparse.ArgumentParser, names: str | None, all_of_them: list) -> list:
    """Those that are named, or all."""
    if names is None:
        return all_of_them
    by_name = {one.name: one for one in all_of_them}
    if unknown := set(names.split(",")) - by_name.keys() - {""}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(by_name)}")
    return [by_name[name] for name in by_name if name in names.split(",")]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(place: Place, chosen: list) -> tuple[dict[str, str], dict[str, str]]:
    """The versions of the peers that are there, and why the others are not."""
    versions, missing = {}, {}
    for peer in chosen:
        say(f"preparing {peer.name}")
        try:
            versions[peer.name] = peer.prepare(place)
        except Missing as reason:
            missing[peer.name] = str(reason)
            say(f"  missing: {reason}")
    return versions, missing


def main() -> int:
    chosen = options()
    # An end from outside is an end like any other: what was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place, facts = Place(chosen.dir), machine.facts()
    versions, missing = prepare(place, chosen.peers)
    there = [peer for peer in chosen.peers if peer.name in versions]
    rows, commands = [], {}
    for workload in chosen.workloads:
        able = [peer for peer in there if workload.program in peer.programs]
        say(f"{workload.name}: {chosen.mb} MB")
        input = inputs.prepare(place, workload, chosen.mb)
        rows += rounds.measure(place, workload, input, able, chosen.repeats, say)
        for peer in able:
            command = peer.command(place, workload, input.path, place.folder / "output")
            commands[workload.name, peer.name] = " ".join(command)
    text, climbs = table.markdown(chosen.workloads, there, rows), []

    def keep() -> None:
        if chosen.record:
            run = record.Run(chosen.workloads, there, rows, climbs, text, versions, missing, facts, commands)
            say("\n".join(f"wrote {path}" for path in record.write(chosen.record, run)))

    if chosen.socket:
        # The socket takes as long as all the rest: what there is is kept before.
        keep()
        able = [peer for peer in there if peer.socket_first_mb_s]
        ceiling, climbs = socket_run.measure(place, able, min(chosen.repeats, 3), chosen.quick, say)
        text += "\n" + socket_run.markdown(ceiling, able, climbs)
        commands |= {("socket", peer.name): " ".join(peer.socket_command(place, "PORT")) for peer in able}
    print(text)
    for name, reason in missing.items():
        print(f"missing: {name}: {reason}")
    keep()
    return 1 if any(result.trouble for result in [*rows, *climbs]) else 0


if __name__ == "__main__":
    sys.exit(main())
