"""How a script ends: with a sentence when something is wrong, quietly after Ctrl-C."""

import signal
import sys


class Failure(Exception):
    """Something that a person has to know; the sentence says what, and what to do."""


def run(main):
    """Runs a script's `main`: exit code 1 with its sentence after a failure, 130 after Ctrl-C, 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(main() or 0)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nstopped; what was started has been ended", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)


def _terminate(_signal, _frame):
    sys.exit(143)
