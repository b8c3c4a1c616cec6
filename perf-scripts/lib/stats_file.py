"""What a program says of its batches: the file that MILLSTREAM_STATS_FILE names."""

import dataclasses
import json
import re


@dataclasses.dataclass(frozen=True)
class Batch:
    """A completed batch; the fields are those of `StatsFileListener`."""
    batch_time_ms: int
    records: int
    bytes: int
    scheduling_delay_ms: int
    processing_time_ms: int
    total_delay_ms: int
    lag_ms: int
    failed: int


class StatsFile:
    """Reads a file that grows, from where it was read before."""

    def __init__(self, path):
        self.path = path
        self.settings = None
        self.batches = []
        self._at = 0

    def read(self):
        """Takes in what has been added; returns all batches so far."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._at)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return self.batches
        self._at += len(whole) + len(end)
        for line in whole.splitlines():
            fields = json.loads(line)
            if "settings" in fields:
                self.settings = fields["settings"]
            else:
                self.batches.append(Batch(**fields))
        return self.batches

    def records(self):
        """Records of all batches so far."""
        return sum(batch.records for batch in self.batches)


UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
UNITS_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def value(text):
    """A duration in milliseconds or a size in bytes, as the settings show them; other texts as they are."""
    found = re.fullmatch(r"(\d+)([a-zA-Z]+)", text)
    unit = found and (UNITS_MS | UNITS_BYTES).get(found.group(2))
    return int(found.group(1)) * unit if unit else text
