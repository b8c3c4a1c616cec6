"""Peers that run in a Java virtual machine, as a program against the jars of a package of PyPI."""

from pathlib import Path

from harness.place import Place
from workloads.workload import Workload

from .peer import THREADS, Peer

# The first pass is the cold start, the second the figure of a warm one.
PASSES = 2

HEAP = ["-Xmx4g", "-XX:+UseParallelGC"]

# What both need of the JDK's insides on Java 17; the list is that of Spark's own launcher.
OPENS = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in (
        "java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent "
        "java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar"
    ).split()
]


class JvmPeer(Peer):
    package: str
    # Where the jars lie in the package.
    jars_in_package: str
    main: str
    programs = frozenset(
        {"word_count", "access_log", "key_count", "windowed_count", "sliding_max", "stateful_count", "ysb"}
    )

    def settings(self, place: Place) -> list[str]:
        """What the program is told as Java properties."""
        return []

    def prepare(self, place: Place) -> str:
        java = place.need("java")
        version = place.pip(self.package)
        self.jars = place.site_packages() / self.jars_in_package
        self.classes = place.javac(self.name, self.jars)
        runtime = place.run([java, "--version"]).splitlines()[0]
        return f"{version}, {runtime}"

    def command(self, place: Place, workload: Workload, input: Path, output: Path) -> list[str]:
        program = [self.main, workload.program, str(input), str(output), str(THREADS), str(PASSES)]
        return self.java(self.settings(place), program)

    def java(self, settings: list[str], program: list[str]) -> list[str]:
        """The command for a main class with its arguments."""
        return ["java", *HEAP, *OPENS, *settings, "-cp", f"{self.classes}:{self.jars}/*", *program]
