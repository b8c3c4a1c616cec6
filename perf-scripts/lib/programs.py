"""Programs that a script starts, watches and ends."""

import json
import os
import queue
import signal
import subprocess
import threading
import time

from .errors import Failure


class Program:
    """A child process. Lines of its standard output that are JSON objects are kept; the last lines of all it says are, too.

    As a context manager it ends the process, whatever happens.
    """

    def __init__(self, name, command, env=None, cwd=None):
        self.name = name
        self.objects = []
        self.said = []
        self._arrived = queue.Queue()
        try:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", cwd=cwd, env=os.environ | (env or {}), start_new_session=True)
        except OSError as error:
            raise Failure(f"{name} cannot be started: {error}") from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            try:
                value = json.loads(line) if line.startswith("{") else None
            except ValueError:
                value = None
            if isinstance(value, dict):
                self.objects.append(value)
                self._arrived.put(value)
            else:
                self.said = [*self.said[-19:], line.rstrip()]
        self._arrived.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """Ends the process and all that it has started."""
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGCONT)
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self._reader.join(5)
        if not self._reader.is_alive():
            self.process.stdout.close()

    def await_object(self, key, timeout):
        """The next JSON object that has `key`."""
        end = time.monotonic() + timeout
        while True:
            value = self.await_any(max(0.0, end - time.monotonic()), f"'{key}'")
            if key in value:
                return value

    def await_any(self, timeout, what="anything"):
        """The next JSON object."""
        try:
            value = self._arrived.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"{self.name} did not say {what} in time{self.last_words()}") from None
        if value is None:
            self.process.wait()
            raise Failure(f"{self.name} ended with code {self.process.returncode} before it said {what}"
                          f"{self.last_words()}")
        return value

    def has_ended(self):
        return self.process.poll() is not None

    def stop(self, timeout):
        """Asks the program to stop (SIGTERM) and waits; returns its exit code."""
        if not self.has_ended():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not stop within {timeout:.0f} s of SIGTERM{self.last_words()}") from None
        self._reader.join(5)
        return self.process.returncode

    def last_words(self):
        words = "\n  ".join(self.said[-8:])
        return f"; it said:\n  {words}" if words else ""
