"""The largest value of each sensor in the last 30 s, every second: a window whose function has no inverse."""

import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from . import seconds
from .workload import Workload

SENSORS = 1_000
LINE_BYTES = 30


def lines(rng: random.Random, second: int, size: int) -> list[str]:
    k = max(1, size // LINE_BYTES)
    # Levels that wander from second to second, so that the maximum comes and goes.
    level = rng.randrange(100_000, 900_000)
    sensors, values = rng.choices(range(SENSORS), k=k), rng.choices(range(level, level + 100_000), k=k)
    return [f"{second} sensor-{sensor:04} {value}" for sensor, value in zip(sensors, values)]


def generate(path: Path, size: int, rng: random.Random) -> None:
    seconds.generate(path, size, rng, lines)


def answer(path: Path) -> Iterator[bytes]:
    panes: deque[dict[bytes, int]] = deque(maxlen=seconds.WINDOW)
    for number, batch in seconds.read(path):
        panes.append(largest(batch))
        window: dict[bytes, int] = {}
        for pane in panes:
            for sensor, value in pane.items():
                window[sensor] = max(value, window.get(sensor, 0))
        for sensor, value in window.items():
            yield b"%d\t%s\t%d" % (number, sensor, value)


def largest(batch: Iterator[bytes]) -> dict[bytes, int]:
    """The largest value of each sensor in a batch."""
    pane: dict[bytes, int] = {}
    for line in batch:
        _, sensor, value = line.split()
        number = int(value)
        if number > pane.get(sensor, -1):
            pane[sensor] = number
    return pane


WORKLOAD = Workload(
    "sliding_max", "sliding_max", "maximum by key in a window of 30 s, every second", generate, answer, in_batches=True
)
