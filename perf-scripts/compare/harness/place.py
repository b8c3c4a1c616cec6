"""The comparison's own folder: what is installed, built, generated and written lies in it, and can be deleted as a whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


class Missing(Exception):
    """A peer cannot be had on this machine; the message says why."""


class Place:
    """A folder with a virtual environment, compiled programs, inputs, outputs and logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.python = self.folder / "venv" / "bin" / "python"
        self.log = self.folder / "install.log"

    def inside(self, *parts: str) -> Path:
        """A folder in this one, made when it is not there."""
        path = self.folder.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def empty(self, *parts: str) -> Path:
        """The same, without what was in it."""
        shutil.rmtree(self.folder.joinpath(*parts), ignore_errors=True)
        return self.inside(*parts)

    def run(self, command: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None) -> str:
        """Runs a step of the installation; what it says goes to the log, its standard output to the caller."""
        with open(self.log, "ab") as log:
            log.write(("$ " + " ".join(command) + "\n").encode())
            log.flush()
            try:
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=log, env=os.environ | (environment or {}), cwd=cwd
                )
            except OSError as error:
                raise Missing(f"cannot run {command[0]}: {error}") from error
            log.write(done.stdout)
        if done.returncode != 0:
            tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Missing(f"{' '.join(command[:4])} failed: {' '.join(tail)} (see {self.log})")
        return done.stdout.decode(errors="replace")

    def need(self, program: str) -> str:
        """Where a program of the machine is."""
        path = shutil.which(program)
        if path is None:
            raise Missing(f"{program} is not installed on this machine")
        return path

    def pip(self, requirement: str) -> str:
        """Installs a package of PyPI; its version."""
        name = requirement.split("=")[0].split("<")[0].split(">")[0]
        if not self.python.exists():
            self.run([sys.executable, "-m", "venv", str(self.folder / "venv")])
        if not self._version_of(name):
            self.run([str(self.python), "-m", "pip", "install", "--quiet", requirement])
        return self._version_of(name)

    def _version_of(self, package: str) -> str:
        asked = f"import importlib.metadata as m\ntry: print(m.version({package!r}))\nexcept m.PackageNotFoundError: pass"
        return self.run([str(self.python), "-c", asked]).strip()

    def site_packages(self) -> Path:
        """Where packages of PyPI lie."""
        asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return Path(self.run([str(self.python), "-c", asked]).strip())

    def javac(self, name: str, jars: Path) -> Path:
        """Compiles the Java programs of a peer; the folder with the classes."""
        sources = sorted(str(path) for part in ("common", name) for path in (HERE / "java" / part).glob("*.java"))
        classes = self.empty("classes", name)
        self.run([self.need("javac"), "-nowarn", "-cp", f"{jars}/*", "-d", str(classes), *sources])
        return classes

    def cargo(self, package: str) -> Path:
        """Builds the Rust programs of a package; the folder with them."""
        target = os.environ.get("CARGO_TARGET_DIR") or str(self.folder / "target")
        command = [self.need("cargo"), "build", "--release", "--locked", "--package", package]
        self.run(command, {"CARGO_TARGET_DIR": target}, cwd=HERE)
        return Path(target) / "release"

    def cargo_tree(self, package: str, dependency: str) -> str:
        """The version of a dependency."""
        command = ["cargo", "tree", "--package", package, "--invert", dependency, "--depth", "0", "--locked"]
        return self.run(command, cwd=HERE).split()[-1]
