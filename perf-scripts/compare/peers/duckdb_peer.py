"""DuckDB, a batch engine."""

from .peer import THREADS
from .python_peer import PythonPeer


class DuckDb(PythonPeer):
    name = "duckdb"
    title = "DuckDB"
    package = "duckdb"
    config = (
        f"in-memory database, SET threads = {THREADS}, preserve_insertion_order = false; lines by read_csv with a separator "
        "that does not occur and without quotes, all columns named and typed; results by COPY TO"
    )
