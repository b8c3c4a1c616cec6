"""Count by key: lines that are nothing but a key of 13 bytes, all keys equally frequent."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .workload import Workload, write_until

KEYS_PER_PIECE = 50_000


def key(number: int) -> str:
    """A different key for each number, in no order."""
    return f"user-{number * 0x9E3779B1 % 2**32:08x}"


def lines(keys: int, rng: random.Random) -> Iterator[bytes]:
    """Pieces of many lines, without end."""
    every = [key(number) for number in range(keys)]
    while True:
        yield ("\n".join(rng.choices(every, k=KEYS_PER_PIECE)) + "\n").encode()


def answer(path: Path) -> Iterator[bytes]:
    counts: Counter[bytes] = Counter()
    with open(path, "rb", buffering=1 << 20) as file:
        counts.update(file)
    return (b"%s\t%d" % (line.rstrip(b"\n"), count) for line, count in counts.items())


def workload(name: str, keys: int) -> Workload:
    def generate(path: Path, size: int, rng: random.Random) -> None:
        write_until(path, size, lines(keys, rng))

    return Workload(name, "key_count", f"count by key, {keys:,} keys", generate, answer)


FEW = workload("key_count_1k", 1_000)
MANY = workload("key_count_1m", 1_000_000)
