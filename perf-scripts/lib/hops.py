"""The hops of a record (engine/ARCHITECTURE.md), and which code belongs to which.

Code is told by the source file that the compiler names for it, or by the path of its function. Some code of ours serves
several hops (texts, tables, tasks), and foreign code serves all (copying, allocating, the kernel): that belongs to whoever
calls it.
"""

import re

HOPS = ["receive", "seal", "map side", "merge", "window", "state", "sink", "batches", "other"]

MEANING = {
    "receive": "sockets and files: system calls and copies into chunks",
    "seal": "UTF-8 check, count of records, segments and the ring",
    "map side": "lines, the fused operators, the worker's table",
    "merge": "tables of the workers brought together by key",
    "window": "panes and their index",
    "state": "keyed state and its timers",
    "sink": "output operations",
    "batches": "timer, generator, scheduler, tasks, listeners",
    "other": "start and end of the program, and what no caller explains",
}

COLOURS = {
    "receive": "#56b4e9", "seal": "#0072b2", "map side": "#009e73", "merge": "#e69f00", "window": "#cc79a7", "state": "#6a3d9a",
    "sink": "#d55e00", "batches": "#9c9c9c", "other": "#d9d9d9",
}

# On these, words are white.
DARK = {"seal", "state"}

# Functions that say more than their file: the table serves the map side and the merge.
BY_FUNCTION = [
    ("merge", r"millstream_engine::shuffle::.*::(merge|merge_share|absorb|transpose|join|into_pairs|into_parts)\b"),
    ("merge", r"shuffle::table::Part<.*>::absorb"),
    ("map side", r"millstream_engine::(shuffle::wide::collect_partition|graph::eager::)"),
    ("seal", r"millstream_engine::text::utf8::"),
    ("sink", r"foreach_rdd|save_as_|::print::|io::sinks"),
]

# The first that matches the path of a file, from the root of the repository, wins. `None`: it belongs to its caller.
BY_FILE = [
    ("seal", r"^engine/src/(receive/block_builder|block/|text/(utf8|arena|pool|chunk)\.rs)"),
    ("receive", r"^(engine/src/receive/|io/src/(socket|reader|lines|sources|file/(text_file|reader|source|found|mended)))"),
    ("map side", r"^engine/src/graph/eager\.rs"),
    ("merge", r"^engine/src/shuffle/exchange\.rs"),
    (None, r"^engine/src/(shuffle|text|rdd|job)/"),
    ("window", r"^engine/src/window/"),
    ("state", r"^engine/src/state/"),
    ("sink", r"^(operators/src/(print|show|output_ops|actions|pair_actions|top|run)\.rs|io/src/(sinks|file/(sink|commit)))"),
    ("batches", r"^engine/src/(context|batch|graph|sequence|observe|clock|config|time|error)"),
    ("map side", r"^(operators/src/|io/src/format/|examples/|src/|bench/)"),
]

# Where the callers do not tell either.
FALLBACK = [
    ("map side", r"^engine/src/(shuffle|text|rdd)/"),
    ("batches", r"^engine/src/job/"),
]

# The same for a function whose file is not known: the path of its module stands for the file.
CRATES = {"millstream_engine": "engine/src", "millstream_operators": "operators/src", "millstream_io": "io/src",
          "millstream_bench": "bench/src"}


def own_path(file):
    """The path from the repository's root when the file is one of ours, else `None`."""
    found = re.search(r"(?:^|/)((?:engine|operators|io|bench)/(?:src|benches)/.*\.rs|examples/.*\.rs)$", file)
    return found.group(1) if found and "/registry/" not in file and "/rustc/" not in file else None


def path_of_function(name):
    """The path that the module of a function would have: engine/src/batch/mod.rs for `millstream_engine::batch::mod::f`."""
    found = re.match(r"<*(?:dyn )?(millstream_\w+)::((?:\w+::)*)", name)
    if not found or found.group(1) not in CRATES:
        return None
    modules = [part for part in found.group(2).split("::") if part and part[0].islower()]
    return "/".join([CRATES[found.group(1)], *modules]) + ".rs"


def of_function(name):
    """The hop of a function by its name alone, or `None`."""
    return next((hop for hop, pattern in BY_FUNCTION if re.search(pattern, name)), None)


def of_file(path):
    """The hop of a file of ours, or `None` when it belongs to its callers."""
    return next((hop for hop, pattern in BY_FILE if re.search(pattern, path)), None)


def fallback(path):
    """The hop of a file of ours whose callers tell nothing."""
    return next((hop for hop, pattern in FALLBACK if re.search(pattern, path)), "other")


def of_stack(frames):
    """The hop of a sampled stack, from the innermost frame outwards."""
    last = None
    for name in frames:
        hop = of_function(name)
        path = path_of_function(name)
        hop = hop or (of_file(path) if path else None)
        if hop:
            return hop
        if path and last is None:
            last = path
    return fallback(last) if last else "other"
