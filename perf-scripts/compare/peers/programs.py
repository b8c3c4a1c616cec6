"""The Rust programs: the engine's own, and those written by hand."""

from pathlib import Path

from harness.place import HERE, Place
from workloads.workload import Workload

from .peer import THREADS, Peer


class Program(Peer):
    """A program of the crate in `programs/`."""

    def __init__(self, name: str, title: str, binary: str, threads: int, programs: set[str], config: str) -> None:
        self.name, self.title, self.binary, self.threads = name, title, binary, threads
        self.programs, self.config = frozenset(programs), config

    def prepare(self, place: Place) -> str:
        self.folder = place.cargo("compare-programs")
        commit = place.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]).strip()
        changed = place.run(["git", "-C", str(HERE), "status", "--porcelain", "--untracked-files=no"]).strip()
        return commit + (" with changes" if changed else "")

    def command(self, place: Place, workload: Workload, input: Path, output: Path) -> list[str]:
        return [str(self.folder / self.binary), workload.program, str(input), str(output), str(self.threads)]

    def socket_command(self, place: Place, port: str) -> list[str]:
        return [str(self.folder / self.binary), "socket", port, str(self.threads)]


BATCH = {"word_count", "access_log", "key_count"}
STREAM = {"windowed_count", "sliding_max", "stateful_count", "ysb"}

MILLSTREAM = Program(
    "millstream",
    "Millstream",
    "ours",
    THREADS,
    BATCH | STREAM,
    f"local[{THREADS}], defaults, mimalloc; the batch timer's wait of up to 1 ms is part of the work",
)
MILLSTREAM.socket_first_mb_s = 40.0
MILLSTREAM_1 = Program(
    "millstream-1", "Millstream, 1 thread", "ours", 1, BATCH | STREAM, "as Millstream, with local[1]"
)
EXPERT = Program(
    "expert",
    "expert Rust",
    "expert",
    1,
    BATCH,
    "one thread, no engine: the file in pieces of 256 KB, SIMD, a table of its own; mimalloc",
)
PLAIN = Program(
    "plain", "plain Rust", "plain", 1, BATCH | {"ysb"}, "one thread: the whole file in memory, `HashMap` with ahash; mimalloc"
)
