"""An access log in combined format, counted by status and path; one line in a thousand is malformed."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .workload import Workload, counted, write_until, zipf

CLIENTS, PATHS, LINES_PER_PIECE, MALFORMED_IN = 20_000, 2_000, 5_000, 1_000
STATUSES, SHARES = [200, 304, 404, 301, 302, 206, 500, 503], [82, 6, 5, 2, 1, 1, 2, 1]
AGENTS = [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0.1700.77 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0",
    "curl/7.35.0",
    "-",
]
MALFORMED = [
    "AH00558: could not reliably determine the server's name",
    '203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /cut/of',
    "",
]
WELL_FORMED = re.compile(
    rb'\S+ \S+ \S+ \[[^\]]+\] "[A-Z]+ (\S+) HTTP/[0-9.]+" ([1-9][0-9][0-9]) (?:[0-9]+|-)(?: "[^"]*" "[^"]*")?\n'
)


def address(number: int) -> str:
    """A different address for each number."""
    bits = (number + 1) * 0x9E3779B1 % 2**32
    return ".".join(str(byte) for byte in bits.to_bytes(4, "big"))


def lines(rng: random.Random) -> Iterator[bytes]:
    """Pieces of many lines, without end."""
    clients = [address(i) for i in range(CLIENTS)]
    paths = [f"/articles/{i}/page-{i}.html" for i in range(PATHS)]
    client_weights, path_weights, k = zipf(CLIENTS), zipf(PATHS), LINES_PER_PIECE
    while True:
        piece = [
            f'{client} - - [17/May/2015:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000] '
            f'"GET {path} HTTP/1.1" {status} {second * 7} "-" "{agent}"'
            for client, path, status, agent, second in zip(
                rng.choices(clients, cum_weights=client_weights, k=k),
                rng.choices(paths, cum_weights=path_weights, k=k),
                rng.choices(STATUSES, weights=SHARES, k=k),
                rng.choices(AGENTS, k=k),
                rng.choices(range(86_400), k=k),
            )
        ]
        for i in range(k // MALFORMED_IN):
            piece[rng.randrange(k)] = MALFORMED[i % len(MALFORMED)]
        yield ("\n".join(piece) + "\n").encode()


def generate(path: Path, size: int, rng: random.Random) -> None:
    write_until(path, size, lines(rng))


def answer(path: Path) -> Iterator[bytes]:
    counts: Counter[bytes] = Counter()
    with open(path, "rb", buffering=1 << 20) as file:
        for line in file:
            if match := WELL_FORMED.fullmatch(line):
                counts[match[2] + b"\t" + match[1]] += 1
    return counted(counts)


WORKLOAD = Workload("access_log", "access_log", "access log by status and path", generate, answer)
