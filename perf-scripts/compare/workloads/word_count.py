"""Word count of a file: 85,000 words by Zipf's law, lengths as in English, lines of 5 to 15 words."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .workload import Workload, counted, write_until, zipf

VOCABULARY = 85_000
LETTERS = "etaoinshrdlcumwfgypbvk"
LINES_PER_PIECE = 10_000


def vocabulary(rng: random.Random) -> list[str]:
    """Different words; the frequent ones are the shorter."""
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        rank = len(words) + 1
        length = max(1, round(rng.gauss(2 + 1.4 * len(str(rank)), 1.8)))
        words["".join(rng.choices(LETTERS, k=length))] = None
    return list(words)


def lines(rng: random.Random) -> Iterator[bytes]:
    """Pieces of many lines, without end."""
    words, weights = vocabulary(rng), zipf(VOCABULARY)
    while True:
        lengths = [rng.randint(5, 15) for _ in range(LINES_PER_PIECE)]
        chosen = iter(rng.choices(words, cum_weights=weights, k=sum(lengths)))
        piece = [" ".join(next(chosen) for _ in range(length)) for length in lengths]
        yield ("\n".join(piece) + "\n").encode()


def generate(path: Path, size: int, rng: random.Random) -> None:
    write_until(path, size, lines(rng))


def answer(path: Path) -> Iterator[bytes]:
    counts: Counter[bytes] = Counter()
    with open(path, "rb", buffering=1 << 20) as file:
        for line in file:
            counts.update(line.split())
    return counted(counts)


WORKLOAD = Workload("word_count", "word_count", "word count of a file", generate, answer)
