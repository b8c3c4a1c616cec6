"""Inputs in batches: a folder with a file for each second of the stream, every line with its second at the front."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

# Twice the window: half of the slides have a window that is full, and so lose a pane.
SECONDS = 60
WINDOW = 30
# When the first second is; a multiple of everything that windows could be aligned to.
START = 1_700_000_000 // 3_600 * 3_600


def generate(path: Path, size: int, rng: random.Random, lines: Callable[[random.Random, int, int], list[str]]) -> None:
    """Writes all seconds; `lines(rng, second, bytes)` are those of one of them, about so many bytes."""
    path.mkdir()
    for number in range(SECONDS):
        piece = lines(rng, START + number, size // SECONDS)
        (path / f"second-{number:04}").write_bytes(("\n".join(piece) + "\n").encode())


def read(path: Path) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The number of every batch, from 1 on, with its lines."""
    for number, file in enumerate(sorted(path.iterdir()), 1):
        with open(file, "rb", buffering=1 << 20) as opened:
            yield number, opened
