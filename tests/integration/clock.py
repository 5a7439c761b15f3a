"""The time of a server, for scenarios: what time of day it is for it, and whether its timers go on. clock.c does it."""
import os
import pathlib
import struct
import subprocess
import tempfile

import pytest

from door import BINARY

MODULE = pathlib.Path(BINARY).parent / "tests/clock.so"


def works():
    """With Debian 13's clang, what the sanitizers do before main() ends in it."""
    quiet = {**os.environ, "ASAN_OPTIONS": "exitcode=99:symbolize=0"}  # and no report that would count as one of a test's
    with tempfile.NamedTemporaryFile() as told:
        told.write(bytes(32))
        told.flush()
        with_it = ["env", f"LD_PRELOAD={MODULE}", f"TEST_CLOCK={told.name}", BINARY, "--version"]
        return MODULE.exists() and subprocess.run(with_it, capture_output=True, env=quiet, check=False).returncode == 0


needs_clock = pytest.mark.skipif(not works(), reason="tests/clock.so is not there, or cannot be put before this binary")


class Clock:
    """Of the server that is started with `prefix`."""

    def __init__(self, directory):
        self.file = open(directory / "clock", "wb+", buffering=0)
        self.file.write(bytes(32))
        self.prefix = ["env", f"LD_PRELOAD={MODULE}", f"TEST_CLOCK={directory / 'clock'}"]

    def set(self, ahead_s):
        """It is so much later than it is, or earlier."""
        self._tell(0, ahead_s)

    def stop(self):
        """No time passes for its timers; the time of day goes on."""
        self._tell(8, 1)

    def go(self):
        """What would have passed meanwhile has passed at once."""
        self._tell(8, 0)
        self._tell(16, 0)

    def let_pass(self, seconds):
        """All at once, for its timers, and counted from the start; they notice when something else happens."""
        self._tell(24, seconds)

    def _tell(self, at, value):
        self.file.seek(at)
        self.file.write(struct.pack("q", value))
