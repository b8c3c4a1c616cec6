"""Spark Streaming 3.5: its DStreams, set up after its tuning guide."""

from harness.place import HERE, Place

from .jvm import HEAP, JvmPeer
from .peer import THREADS

SETTINGS = {
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    "spark.kryo.registrationRequired": "false",
    # Two tasks per core, as the guide has it; more make small batches slower.
    "spark.default.parallelism": str(2 * THREADS),
    "spark.ui.enabled": "false",
    "spark.locality.wait": "0",
    "spark.streaming.clock": "org.apache.spark.util.ManualClock",
}


# The clock is the machine's.
SOCKET_SETTINGS = SETTINGS | {
    "spark.streaming.clock": "org.apache.spark.util.SystemClock",
    "spark.streaming.backpressure.enabled": "true",
}


class Spark(JvmPeer):
    name = "spark"
    title = "Spark Streaming"
    package = "pyspark==3.5.*"
    jars_in_package = "pyspark/jars"
    main = "SparkPeer"
    config = (
        f"local[{THREADS}], DStreams from a queueStream of text files, Java; {' '.join(HEAP)}; "
        + ", ".join(f"{key}={value}" for key, value in SETTINGS.items())
        + f"; from a socket: local[{THREADS + 1}], the system's clock, spark.streaming.backpressure.enabled=true, storage level MEMORY_ONLY"
    )
    # It warms up at this rate.
    socket_first_mb_s = 8.0

    def settings(self, place: Place) -> list[str]:
        return self._properties(place, SETTINGS)

    def socket_command(self, place: Place, port: str) -> list[str]:
        # A receiver takes one of the threads and leaves its core idle most of the time: with one more Spark sustains nearly twice as much.
        return self.java(self._properties(place, SOCKET_SETTINGS), ["SparkSocket", port, str(THREADS + 1)])

    def _properties(self, place: Place, settings: dict[str, str]) -> list[str]:
        local = {"spark.local.dir": str(place.inside("spark-local"))}
        properties = [f"-D{key}={value}" for key, value in (settings | local).items()]
        return [*properties, f"-Dlog4j2.configurationFile={HERE / 'java' / 'log4j2.properties'}"]
