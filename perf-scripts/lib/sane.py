"""Looks whether the outputs of the measuring scripts are there and are what they should be: sane.py FOLDER."""

import csv
import pathlib
import sys
from xml.etree import ElementTree

EXPECTED = {
    "latency": ["latency.md", "latency.csv", "latency.svg", "close_to_output.svg"],
    "tune": ["tune.md", "tune.csv", "tune.svg"],
    "profile": ["engine-hops.md", "engine-hops.csv", "engine-flame.svg"],
    "soak": ["soak.md", "soak.csv", "soak.svg"],
    "scale": ["scale.md", "scale.csv", "scale.svg"],
}


def rows(path):
    """The rows of a CSV file, by the names of its columns; facts behind `#` are left out."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(("#", '"#'))]
    return list(csv.DictReader(lines))


def complaints(folder):
    """Everything that is wrong."""
    for script, names in EXPECTED.items():
        for path in (folder / script / name for name in names):
            if not path.exists() or path.stat().st_size == 0:
                yield f"{path} is missing or empty"
            elif path.suffix == ".svg":
                yield from drawing(path)
    for script, check in CHECKS.items():
        path = folder / script / next(name for name in EXPECTED[script] if name.endswith(".csv"))
        if path.exists():
            found = rows(path)
            if not found:
                yield f"{path} has no rows"
            for row in found:
                words = check(row)
                if words:
                    yield f"{path}: {words}: {row}"


def drawing(path):
    """An SVG must be XML, hold something, and have no coordinate that is no number."""
    text = path.read_text(encoding="utf-8")
    try:
        shapes = len(list(ElementTree.fromstring(text).iter()))
    except ElementTree.ParseError as error:
        yield f"{path} is not XML: {error}"
        return
    if shapes < 10:
        yield f"{path} is empty: {shapes} shapes"
    if "nan" in text.replace("nano", "") or "'inf" in text:
        yield f"{path} has coordinates that are no numbers"


def latency(row):
    ordered = [float(row[f"{name}_us"]) for name in ("p50", "p90", "p99", "p99.9", "p99.99", "max")]
    if ordered != sorted(ordered):
        return "quantiles that are not in order"
    # A line waits for the end of its batch: half an interval in the median, less what the histogram rounds.
    if row["what"] == "line" and ordered[0] < 300 * float(row["interval_ms"]):
        return "a median latency below the mean wait for the batch"
    return None


def tune(row):
    return None if row["stable"] == "yes" else "a tiny load was not sustained"


def profile(row):
    return None if float(row["ns per line"]) >= 0 and row["instructions per line"] else "a hop without figures"


def soak(row):
    return None if float(row["resident_mb"]) > 1 and int(row["threads"]) >= 2 else "a sample of no process"


def scale(row):
    return None if float(row["efficiency"]) > 0.05 and float(row["MB/s"]) > 1 else "figures of no real run"


CHECKS = {"latency": latency, "tune": tune, "profile": profile, "soak": soak, "scale": scale}


def main():
    found = list(complaints(pathlib.Path(sys.argv[1])))
    for words in found:
        print(f"error: {words}", file=sys.stderr)
    if not found:
        print(f"the outputs of {len(EXPECTED)} scripts are there and sane")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
