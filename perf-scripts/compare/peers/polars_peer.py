"""Polars, a batch engine."""

from .peer import THREADS
from .python_peer import PythonPeer


class Polars(PythonPeer):
    name = "polars"
    title = "Polars"
    package = "polars"
    config = (
        f"lazy frames with the streaming engine, POLARS_MAX_THREADS={THREADS}; lines by scan_csv without quotes; "
        "results by sink_csv"
    )
    environment = {"POLARS_MAX_THREADS": str(THREADS)}
