"""The workloads in Polars' expressions."""

import passes
import polars as pl


def lines(input: str) -> pl.LazyFrame:
    """The whole line is the one column: its separator is in no line."""
    return pl.scan_csv(input, has_header=False, separator="\x01", quote_char=None, schema={"line": pl.String})


def write(counts: pl.LazyFrame, output: str) -> None:
    counts.sink_csv(output, include_header=False, separator="\t", quote_style="never", engine="streaming")


def word_count(input: str, output: str, threads: int) -> None:
    words = lines(input).select(pl.col("line").str.split(" ").alias("word")).explode("word")
    write(words.group_by("word").len(), output)


def key_count(input: str, output: str, threads: int) -> None:
    write(lines(input).group_by("line").len(), output)


def access_log(input: str, output: str, threads: int) -> None:
    # Client, identity, user, time in two, method, path, protocol, status, bytes.
    fields = lines(input).select(pl.col("line").str.splitn(" ", 11).alias("fields"))
    requests = fields.select(
        pl.col("fields").struct.field("field_8").alias("status"), pl.col("fields").struct.field("field_6").alias("path")
    )
    is_status = pl.col("status").cast(pl.UInt16, strict=False).is_between(100, 999)
    write(requests.filter(is_status).group_by("status", "path").len(), output)


passes.run({"word_count": word_count, "key_count": key_count, "access_log": access_log})
