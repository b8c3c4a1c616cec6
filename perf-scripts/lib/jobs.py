"""A program under test: how it is started with which settings."""

import dataclasses
import shlex
import socket

from .errors import Failure
from .stats_file import value

PLACEHOLDERS = """\
the command line of the program, with these placeholders:
  {listen}        HOST:PORT at which the program has to listen for lines, or
  {connect}       HOST:PORT to which it has to connect (also {connect_host} and {connect_port})
  {interval}      the batch interval, such as 10ms, for programs that take it as an option
  {threads}       the number of threads, likewise
All settings are also given as MILLSTREAM_* variables, which reach every program that builds its configuration with layered()."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is tried. `None` leaves the default. The threads include the one that a receiver takes."""
    interval_ms: int
    threads: int
    block_ms: int | None = None
    segment_bytes: int | None = None

    def variables(self, stats_file):
        """The settings as environment variables."""
        variables = {
            "MILLSTREAM_BATCH_INTERVAL": f"{self.interval_ms}ms",
            "MILLSTREAM_MASTER": f"local[{self.threads}]",
            "MILLSTREAM_STATS_FILE": str(stats_file),
        }
        if self.block_ms:
            variables["MILLSTREAM_RECEIVER_BLOCK_INTERVAL"] = f"{min(self.block_ms, self.interval_ms)}ms"
        if self.segment_bytes:
            variables["MILLSTREAM_RECEIVER_SEGMENT_BYTES"] = str(self.segment_bytes)
        return variables

    def check(self, in_force):
        """Complains when the program runs with other settings than it was given."""
        wanted = {"batch_interval": self.interval_ms, "master": f"local[{self.threads}]"}
        if self.block_ms:
            wanted["receiver.block_interval"] = min(self.block_ms, self.interval_ms)
        if self.segment_bytes:
            wanted["receiver.segment_bytes"] = self.segment_bytes
        for key, want in wanted.items():
            if value(in_force[key]) != want:
                raise Failure(
                    f"the program runs with {key} = {in_force[key]}, although it was given {want}: it sets that itself. Take "
                    "the setting out of its code, or give it by an option with {interval} or {threads}.")

    def words(self):
        """The settings, for people."""
        parts = [f"batches of {self.interval_ms} ms", f"{self.threads} threads"]
        if self.block_ms:
            parts.append(f"blocks of {self.block_ms} ms")
        if self.segment_bytes:
            parts.append(f"segments of {self.segment_bytes >> 10} KiB")
        return ", ".join(parts)


class Job:
    """A command line with placeholders."""

    def __init__(self, template):
        self.words = shlex.split(template) if isinstance(template, str) else [str(word) for word in template]
        text = " ".join(self.words)
        self.connects = "{connect}" in text or "{connect_port}" in text
        if self.connects == ("{listen}" in text):
            raise Failure(f"the command must contain either {{listen}} or {{connect}}: {text}")

    def command(self, settings, address):
        """The command for one run; `address` is where the lines come in or from."""
        host, _, port = address.rpartition(":")
        put = {
            "{listen}": address, "{connect}": address, "{connect_host}": host, "{connect_port}": port,
            "{interval}": f"{settings.interval_ms}ms", "{threads}": str(settings.threads),
        }
        return [self._fill(word, put) for word in self.words]

    @staticmethod
    def _fill(word, put):
        for name, what in put.items():
            word = word.replace(name, what)
        return word


def free_address():
    """An address of this machine at which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
