"""Answers: what a program wrote, brought down to one digest, whatever the order of its lines."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(lines: Iterable[bytes]) -> str:
    """The SHA-256 of the lines, sorted by their bytes, with the number of lines before it."""
    in_order = sorted(lines)
    sha = hashlib.sha256(b"\n".join(in_order)).hexdigest()
    return f"{len(in_order)} lines {sha}"


def of_folder(folder: Path) -> str:
    """The digest of all lines of all files in a folder; files whose names begin with a dot or an underscore are not results."""
    lines: list[bytes] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name[0] not in "._":
            lines += path.read_bytes().splitlines()
    return digest(lines)
