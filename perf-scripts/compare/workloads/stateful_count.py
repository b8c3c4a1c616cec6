"""How often each user has come so far: a state per key, updated in every batch for the keys that came."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from . import seconds
from .key_count import key
from .workload import Workload

USERS = 100_000
ACTIONS = ["login", "view", "search", "buy", "logout"]
LINE_BYTES = 31


def lines(rng: random.Random, second: int, size: int) -> list[str]:
    k = max(1, size // LINE_BYTES)
    chosen = zip(rng.choices(range(USERS), k=k), rng.choices(ACTIONS, k=k))
    return [f"{second} {key(user)} {action}" for user, action in chosen]


def generate(path: Path, size: int, rng: random.Random) -> None:
    seconds.generate(path, size, rng, lines)


def answer(path: Path) -> Iterator[bytes]:
    """The last state of all users, and how many updates there were, one per batch and user in it."""
    state: Counter[bytes] = Counter()
    updates = 0
    for _, batch in seconds.read(path):
        came = Counter(line.split(b" ", 2)[1] for line in batch)
        updates += len(came)
        state.update(came)
    yield b"updates\t%d" % updates
    for user, count in state.items():
        yield b"%s\t%d" % (user, count)


WORKLOAD = Workload(
    "stateful_count",
    "stateful_count",
    f"running count by key, {USERS:,} keys, {seconds.SECONDS} batches",
    generate,
    answer,
    in_batches=True,
)
