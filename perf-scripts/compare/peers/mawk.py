"""mawk, as one would count on a command line."""

from pathlib import Path

from harness.place import HERE, Place
from workloads.workload import Workload

from .peer import Peer


class Mawk(Peer):
    name = "mawk"
    title = "mawk"
    config = "the machine's mawk, one thread, programs in awk/; LC_ALL=C"
    programs = frozenset({"word_count", "access_log", "key_count", "windowed_count", "stateful_count"})
    environment = {"LC_ALL": "C"}

    def prepare(self, place: Place) -> str:
        self.program = place.need("mawk")
        return place.run([self.program, "-W", "version"]).splitlines()[0]

    def command(self, place: Place, workload: Workload, input: Path, output: Path) -> list[str]:
        files = sorted(str(path) for path in input.iterdir()) if workload.in_batches else [str(input)]
        script = HERE / "awk" / f"{workload.program}.awk"
        return [self.program, "-v", f"output={output}/part-0", "-f", str(script), *files]
