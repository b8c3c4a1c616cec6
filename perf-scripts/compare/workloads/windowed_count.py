"""Errors of each host in the last 30 s, every second: a filter that lets a tenth through, then a count in a sliding window."""

import random
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

from . import seconds
from .workload import Workload

HOSTS = 1_000
LEVELS, SHARES = ["INFO", "DEBUG", "WARN", "ERROR"], [60, 20, 10, 10]
MESSAGES = [
    "connection from client accepted after tls handshake in 3 ms",
    "request finished with status 200 and 5120 bytes",
    "could not reach the upstream server, trying the next one of the pool",
    "flushed 4096 entries of the journal to disk",
]
LINE_BYTES = 95


def lines(rng: random.Random, second: int, size: int) -> list[str]:
    k = max(1, size // LINE_BYTES)
    chosen = zip(
        rng.choices(range(HOSTS), k=k),
        rng.choices(LEVELS, weights=SHARES, k=k),
        rng.choices(MESSAGES, k=k),
        rng.choices(range(10_000, 99_999), k=k),
    )
    return [
        f"{second} host-{host:04}.example.com {level} service[{pid}]: {message}" for host, level, message, pid in chosen
    ]


def generate(path: Path, size: int, rng: random.Random) -> None:
    seconds.generate(path, size, rng, lines)


def answer(path: Path) -> Iterator[bytes]:
    panes: deque[Counter[bytes]] = deque(maxlen=seconds.WINDOW)
    for number, batch in seconds.read(path):
        panes.append(Counter(line.split(b" ", 2)[1] for line in batch if b"ERROR" in line))
        window: Counter[bytes] = Counter()
        for pane in panes:
            window.update(pane)
        for host, count in window.items():
            yield b"%d\t%s\t%d" % (number, host, count)


WORKLOAD = Workload(
    "windowed_count",
    "windowed_count",
    "filter and count by key in a window of 30 s, every second",
    generate,
    answer,
    in_batches=True,
)
