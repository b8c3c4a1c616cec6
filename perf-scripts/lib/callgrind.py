"""Reads callgrind's output: instructions by source file inside each function, and who calls whom at which cost.

The format is described at https://valgrind.org/docs/manual/cl-format.html. A line of cost belongs to the file that stands last in
`fl=`, `fi=` or `fe=`: code that was inlined keeps its own file.
"""

import collections
import re

NAME = re.compile(r"\((\d+)\)(?: (.*))?")


class Profile:
    """`own[function][file]`: instructions; `calls[caller][callee]`: instructions including everything called; `home[function]`:
    the file of the function itself."""

    def __init__(self):
        self.own = collections.defaultdict(collections.Counter)
        self.calls = collections.defaultdict(collections.Counter)
        self.home = {}

    def total(self):
        return sum(sum(files.values()) for files in self.own.values())


def read(path):
    """The profile in a file."""
    return _Reader().read(path)


class _Reader:
    def __init__(self):
        self.names = {"file": {}, "fn": {}}
        self.profile = Profile()
        self.file = self.function = self.callee = None
        self.is_call = False

    def name(self, kind, text):
        """Names stand in full once and are then referred to by number."""
        found = NAME.match(text)
        if not found:
            return text
        number, name = found.groups()
        if name:
            self.names[kind][number] = name
        return self.names[kind].get(number, "???")

    def read(self, path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.line(line.rstrip("\n"))
        return self.profile

    def line(self, line):
        if not line or line[0] in "#":
            return
        if line[0] in "0123456789+-*":
            return self.cost(line)
        key, equals, text = line.partition("=")
        if not equals:
            return
        if key in ("fl", "fi", "fe"):
            self.file = self.name("file", text)
        elif key == "fn":
            self.function = self.name("fn", text)
            self.profile.home.setdefault(self.function, self.file)
        elif key == "cfn":
            self.callee = self.name("fn", text)
        elif key in ("cfi", "cfl"):
            self.name("file", text)
        elif key == "calls":
            self.is_call = True

    def cost(self, line):
        parts = line.split()
        cost = int(parts[1]) if len(parts) > 1 else 0
        if self.is_call:
            self.is_call = False
            self.profile.calls[self.function][self.callee] += cost
        else:
            self.profile.own[self.function][self.file] += cost
