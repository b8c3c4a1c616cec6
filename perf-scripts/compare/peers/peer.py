"""What a peer is."""

from pathlib import Path

from harness.place import Place
from workloads.workload import Workload

# All peers that can use several threads use so many, as do the JVMs' own settings.
THREADS = 2


class Peer:
    """Something that does the workloads in a process of its own."""

    # As it is chosen on the command line, and as it is shown.
    name: str
    title: str
    # How it is set up, in words that let a reader judge whether that is fair.
    config: str
    # The programs of the workloads that it has.
    programs: frozenset[str]
    # The first rate of the socket workload, low enough to be kept up with while the program warms up; none for peers without it.
    socket_first_mb_s: float | None = None
    # What the processes find in their environment besides what is there.
    environment: dict[str, str] = {}

    def prepare(self, place: Place) -> str:
        """Installs and builds what is needed; the version. Raises `Missing` where that cannot be."""
        raise NotImplementedError

    def command(self, place: Place, workload: Workload, input: Path, output: Path) -> list[str]:
        """The command that reads `input` and writes files into the folder `output`."""
        raise NotImplementedError

    def socket_command(self, place: Place, port: str) -> list[str]:
        """The command that counts the words which come from a port, until it is killed."""
        raise NotImplementedError
