"""What a workload is."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path

# Every input is made from it, so that everybody has the same bytes.
SEED = 2026


@dataclasses.dataclass(frozen=True)
class Workload:
    """A task with its input and its answer."""

    # As it is chosen on the command line.
    name: str
    # What the programs call it; workloads that differ in their input only share one.
    program: str
    # One sentence for the tables.
    title: str
    # Writes an input of about so many bytes to a path.
    generate: Callable[[Path, int, random.Random], None]
    # The lines of the right answer, in any order; reads the input with nothing but Python's own library.
    answer: Callable[[Path], Iterator[bytes]]
    # Whether the input is a folder with a file per second of the stream.
    in_batches: bool = False
    # The size of what is processed, where that is not the size of the input.
    nominal_bytes: Callable[[Path], int] | None = None


def write_until(path: Path, size: int, pieces: Iterator[bytes]) -> None:
    """Writes pieces to a file until it has `size` bytes."""
    written = 0
    with open(path, "wb", buffering=1 << 20) as file:
        while written < size:
            written += file.write(next(pieces))


def counted(counts: dict[bytes, int]) -> Iterator[bytes]:
    """The lines of a count by key."""
    return (b"%s\t%d" % pair for pair in counts.items())


def zipf(n: int) -> list[float]:
    """Cumulative weights of `n` things, the i-th of which comes 1/i as often as the first."""
    total, weights = 0.0, []
    for rank in range(1, n + 1):
        total += 1.0 / rank
        weights.append(total)
    return weights
