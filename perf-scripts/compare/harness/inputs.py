"""Inputs and their answers, made once and kept."""

import dataclasses
import random
from pathlib import Path

from workloads.workload import SEED, Workload

from . import answer
from .place import Place


@dataclasses.dataclass(frozen=True)
class Input:
    """What a workload reads, and the digest of what must come out."""

    path: Path
    bytes: int
    digest: str

    @property
    def gigabytes(self) -> float:
        return self.bytes / 1e9

    def warm(self) -> None:
        """Reads it all, so that no program pays for the disk."""
        for file in _files(self.path):
            with open(file, "rb", buffering=0) as opened:
                while opened.read(1 << 20):
                    pass


def prepare(place: Place, workload: Workload, megabytes: int) -> Input:
    """The input of a workload: the one that lies there, or a new one."""
    folder = place.inside("inputs", f"{workload.name}-{megabytes}mb-{SEED}")
    path, expected = folder / "input", folder / "answer.digest"
    if not expected.exists():
        workload.generate(path, megabytes * 1_000_000, random.Random(f"{SEED} {workload.name}"))
        expected.write_text(answer.digest(workload.answer(path)))
    if workload.nominal_bytes:
        size = workload.nominal_bytes(path)
    else:
        size = sum(file.stat().st_size for file in _files(path))
    return Input(path, size, expected.read_text())


def _files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]
