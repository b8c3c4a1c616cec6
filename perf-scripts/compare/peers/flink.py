"""Flink 2: its DataStream API."""

from harness.place import HERE, Place

from .jvm import HEAP, JvmPeer
from .peer import THREADS


class Flink(JvmPeer):
    name = "flink"
    title = "Flink"
    package = "apache-flink-libraries>=2.0,<3"
    jars_in_package = "pyflink/lib"
    main = "FlinkPeer"
    config = (
        f"DataStream in a local cluster, parallelism {THREADS}, streaming mode, object reuse, state on the heap, no checkpoints, "
        f"256 MB for its network, a combiner before each shuffle, event time for windows, Java; {' '.join(HEAP)}"
    )

    def settings(self, place: Place) -> list[str]:
        return [f"-Dlog4j2.configurationFile={HERE / 'java' / 'log4j2.properties'}"]
