"""Timely dataflow, as one more Rust program."""

from pathlib import Path

from harness.place import Place
from workloads.workload import Workload

from .peer import THREADS, Peer


class Timely(Peer):
    name = "timely"
    title = "timely dataflow"
    config = (
        f"{THREADS} workers; each counts its own pieces of 256 KB in a `HashMap` with ahash, then exchanges its keys; mimalloc"
    )
    programs = frozenset({"word_count", "key_count"})

    def prepare(self, place: Place) -> str:
        self.program = place.cargo("compare-dataflow") / "compare-dataflow"
        tree = place.cargo_tree("compare-dataflow", "timely")
        return f"timely {tree}"

    def command(self, place: Place, workload: Workload, input: Path, output: Path) -> list[str]:
        return [str(self.program), workload.program, str(input), str(output), str(THREADS)]
