"""Rounds: every peer once, one after the other, in turning order; then again."""

import time
from collections.abc import Callable

from peers.peer import Peer
from workloads.workload import Workload

from . import answer, child
from .inputs import Input
from .place import Place
from .summary import Row

TIMEOUT_S = 900.0


def measure(
    place: Place, workload: Workload, input: Input, peers: list[Peer], repeats: int, say: Callable[[str], None]
) -> list[Row]:
    """All peers on one workload, so many times; a wrong answer or a failure ends a peer's part in it."""
    costs: dict[str, list[child.Cost]] = {peer.name: [] for peer in peers}
    trouble: dict[str, str] = {}
    for repeat in range(repeats):
        # Forwards and backwards in turn, so that a machine that slows down or speeds up favours nobody.
        for peer in peers if repeat % 2 == 0 else peers[::-1]:
            if peer.name in trouble:
                continue
            input.warm()
            try:
                cost = _once(place, workload, input, peer)
            except child.Failed as failure:
                trouble[peer.name] = f"failed: {failure}"
                say(f"  {peer.name}: {failure}")
                continue
            except _Wrong as wrong:
                trouble[peer.name] = "WRONG"
                say(f"  {peer.name}: WRONG answer: {wrong}")
                continue
            costs[peer.name].append(cost)
            say(f"  {repeat + 1}/{repeats} {peer.name}: {cost.wall_s:.2f} s, of that work {cost.pass_s:.2f} s")
    return [
        Row(workload.name, peer.name, input.gigabytes, tuple(costs[peer.name]), trouble.get(peer.name, ""))
        for peer in peers
    ]


class _Wrong(Exception):
    """The results are not the answer."""


def _once(place: Place, workload: Workload, input: Input, peer: Peer) -> child.Cost:
    place.empty("checkpoints")
    output = place.empty("output")
    command = peer.command(place, workload, input.path, output)
    log = place.inside("logs") / f"{workload.name}-{peer.name}.log"
    log.write_text(f"{time.strftime('%F %T')} $ {' '.join(command)}\n")
    cost = child.run(command, log, peer.environment, TIMEOUT_S)
    got = answer.of_folder(output)
    if got != input.digest:
        raise _Wrong(f"{got} instead of {input.digest}")
    return cost
