"""The workloads in DuckDB's SQL."""

import functools

import duckdb
import passes

COPY = "COPY ({query}) TO '{output}' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '')"
# A separator that is in no line; the whole line is the one column.
LINES = (
    "read_csv('{input}', header = false, delim = '\x01', quote = '', escape = '', auto_detect = false, "
    "null_padding = false, columns = {{'line': 'VARCHAR'}}, skip = 0)"
)
WORD_COUNT = """
    SELECT word, count(*) FROM (SELECT unnest(string_split(line, ' ')) AS word FROM {lines}) GROUP BY word
"""
KEY_COUNT = "SELECT line, count(*) FROM {lines} GROUP BY line"
# Client, identity, user, time in two, method, path, protocol, status, bytes.
ACCESS_LOG = """
    SELECT fields[9] AS status, fields[7] AS path, count(*)
    FROM (SELECT string_split(line, ' ') AS fields FROM {lines})
    WHERE length(fields[9]) = 3 AND try_cast(fields[9] AS INTEGER) BETWEEN 100 AND 999
    GROUP BY status, path
"""


@functools.cache
def database(threads: int) -> duckdb.DuckDBPyConnection:
    """The same in all passes."""
    return duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})


def run(query: str):
    def work(input: str, output: str, threads: int) -> None:
        lines = LINES.format(input=input)
        database(threads).execute(COPY.format(query=query.format(lines=lines), output=output))

    return work


passes.run({"word_count": run(WORD_COUNT), "key_count": run(KEY_COUNT), "access_log": run(ACCESS_LOG)})
