"""Rows of figures as Markdown and CSV, with the facts of the run above them."""

import csv


def markdown(columns, rows):
    """A Markdown table; every column but the first is set to the right."""
    align = ["---"] + ["---:"] * (len(columns) - 1)
    lines = [columns, align, *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def write_csv(path, facts, columns, rows):
    """A CSV file; the facts stand above it behind `#`."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerows([f"# {key}", value] for key, value in facts.items())
        out.writerow(columns)
        out.writerows(rows)


def write_markdown(path, title, facts, parts):
    """A Markdown file: a title, the facts as a list, and the parts with an empty line between."""
    head = [f"# {title}\n", "".join(f"- {key}: {value}\n" for key, value in facts.items())]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*head, *parts]))


def time_us(micros):
    """Microseconds as people read them."""
    if micros is None:
        return "-"
    if micros >= 1e6:
        return f"{micros / 1e6:.2f} s"
    if micros >= 1e3:
        return f"{micros / 1e3:.3g} ms" if micros < 1e5 else f"{micros / 1e3:.0f} ms"
    return f"{micros:.0f} µs"


def count(value):
    """A large number with separators."""
    return f"{value:,.0f}"
