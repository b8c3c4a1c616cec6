#!/usr/bin/env python3
"""Collects criterion's medians into NAME.md and NAME.csv: collect.py CRITERION_DIR NAME KEY=VALUE..."""

import csv
import json
import pathlib
import sys


def measurements(criterion):
    """Yields (id, median ns, low ns, high ns, throughput) of every benchmark, by id."""
    found = []
    for path in pathlib.Path(criterion).rglob("new/estimates.json"):
        estimates = json.loads(path.read_text())
        benchmark = json.loads((path.parent / "benchmark.json").read_text())
        median = estimates["median"]
        interval = median["confidence_interval"]
        found.append((
            benchmark["full_id"],
            median["point_estimate"],
            interval["lower_bound"],
            interval["upper_bound"],
            benchmark.get("throughput"),
        ))
    return sorted(found, key=lambda row: natural(row[0]))


def natural(identifier):
    """Numbers in an id are compared as numbers."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in identifier.split("/")]


def per_second(throughput, nanoseconds):
    """The number of bytes or elements per second, and in words."""
    if not throughput:
        return None, ""
    (kind, amount), = throughput.items()
    rate = amount / nanoseconds * 1e9
    if kind == "Bytes":
        return rate, f"{rate / 1e6:,.0f} MB/s"
    return rate, f"{rate / 1e6:,.2f} M/s" if rate >= 1e5 else f"{rate:,.0f} /s"


def time(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:,.2f} {unit}"
    return f"{nanoseconds:,.1f} ns"


def main():
    criterion, name, *facts = sys.argv[1:]
    rows = measurements(criterion)
    if not rows:
        sys.exit(f"no measurements under {criterion}")
    facts = [fact.split("=", 1) for fact in facts]
    with open(f"{name}.csv", "w", newline="") as file:
        out = csv.writer(file)
        for key, value in facts:
            out.writerow([f"# {key}", value])
        out.writerow(["id", "median_ns", "low_ns", "high_ns", "per_second"])
        for identifier, median, low, high, throughput in rows:
            rate, _ = per_second(throughput, median)
            out.writerow([identifier, f"{median:.1f}", f"{low:.1f}", f"{high:.1f}", f"{rate:.1f}" if rate else ""])
    with open(f"{name}.md", "w") as file:
        for key, value in facts:
            file.write(f"- {key}: {value}\n")
        file.write("\nMedians with their 95 % confidence intervals. Every answer was checked.\n")
        file.write("\n| benchmark | median | 95 % | per second |\n|---|---:|---:|---:|\n")
        for identifier, median, low, high, throughput in rows:
            _, rate = per_second(throughput, median)
            file.write(f"| {identifier} | {time(median)} | {time(low)} to {time(high)} | {rate} |\n")


if __name__ == "__main__":
    main()
