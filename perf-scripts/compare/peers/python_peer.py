"""Peers that are Python libraries: each has a script in python/."""

from pathlib import Path

from harness.place import HERE, Place
from workloads.workload import Workload

from .peer import THREADS, Peer


class PythonPeer(Peer):
    package: str
    programs = frozenset({"word_count", "access_log", "key_count"})

    def prepare(self, place: Place) -> str:
        return place.pip(self.package)

    def command(self, place: Place, workload: Workload, input: Path, output: Path) -> list[str]:
        script = HERE / "python" / f"with_{self.name}.py"
        return [str(place.python), str(script), workload.program, str(input), str(output), str(THREADS)]
