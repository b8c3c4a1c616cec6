"""The peers: one file each, with how it is had, how it is configured and how it is called."""

from . import duckdb_peer, flink, mawk, polars_peer, programs, spark, timely

ALL = [
    programs.MILLSTREAM,
    programs.MILLSTREAM_1,
    programs.EXPERT,
    programs.PLAIN,
    timely.Timely(),
    mawk.Mawk(),
    duckdb_peer.DuckDb(),
    polars_peer.Polars(),
    spark.Spark(),
    flink.Flink(),
]
