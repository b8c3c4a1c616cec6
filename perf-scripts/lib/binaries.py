"""Where the programs under test are, and how they are built."""

import json
import os
import pathlib
import subprocess

from .errors import Failure
from .machine import ROOT


def target_directory():
    """Cargo's target directory."""
    given = os.environ.get("CARGO_TARGET_DIR")
    if given:
        return pathlib.Path(given)
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise Failure(f"cargo cannot say where it builds: {error}. Install Rust, or set CARGO_TARGET_DIR.") from error
    return pathlib.Path(json.loads(done.stdout)["target_directory"])


def bench_binaries(*names, build=True):
    """The paths of programs of `bench`; built first unless told not to."""
    return _find([("millstream-bench", "--bin", name, name) for name in names], build)


def example(name, build=True):
    """The path of an example."""
    return _find([("millstream", "--example", name, f"examples/{name}")], build)[0]


def _find(wanted, build):
    release = target_directory() / "release"
    if build:
        for package in sorted({package for package, *_ in wanted}):
            options = [word for owner, kind, name, _ in wanted if owner == package for word in (kind, name)]
            command = ["cargo", "build", "--locked", "--release", "-p", package, *options]
            if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
                raise Failure(f"the build failed: {' '.join(command)}")
    paths = [release / path for *_, path in wanted]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise Failure(f"not built: {', '.join(missing)}. Run without --no-build.")
    return paths
