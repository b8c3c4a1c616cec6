"""The modified Yahoo streaming benchmark: views of each campaign in tumbling windows of 10 s, from events in memory.

Modified as usual: no JSON, no Kafka, no Redis; the table of ads and campaigns is in memory, too. An event is 32 bytes, made from
its number alone, so that the programs make the same ones, each in its own language, before their time begins. The input is the
four numbers that say how many there are.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .seconds import SECONDS
from .workload import Workload

CAMPAIGNS, ADS_PER_CAMPAIGN, EVENT_BYTES, WINDOW_SECONDS, VIEW = 100, 10, 32, 10, 0
MASK = 2**64 - 1


def mix(number: int) -> int:
    """The number-th output of SplitMix64."""
    z = (number + 1) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def generate(path: Path, size: int, rng: random.Random) -> None:
    path.write_text(f"{size // EVENT_BYTES} {SECONDS} {CAMPAIGNS} {ADS_PER_CAMPAIGN}\n")


def numbers(path: Path) -> list[int]:
    return [int(number) for number in path.read_text().split()]


def size(path: Path) -> int:
    return numbers(path)[0] * EVENT_BYTES


def answer(path: Path) -> Iterator[bytes]:
    """Ads are looked up by their index here: their random numbers are all different."""
    events, seconds, campaigns, ads = numbers(path)
    counts: Counter[tuple[int, int]] = Counter()
    for number in range(events):
        z = mix(number)
        if (z >> 32) % 3 == VIEW:
            counts[number * seconds // events // WINDOW_SECONDS, z % (campaigns * ads) // ads] += 1
    for (window, campaign), count in counts.items():
        yield b"%d\t%d\t%d" % ((window + 1) * WINDOW_SECONDS, campaign, count)


WORKLOAD = Workload(
    "ysb", "ysb", "modified Yahoo streaming benchmark, events in memory", generate, answer, nominal_bytes=size
)
