"""The time of a server, for scenarios: what time of day it is for it, and whether its timers go on. clock.c does it."""
import pathlib
import struct

import pytest

from door import BINARY

MODULE = pathlib.Path(BINARY).parent / "tests/clock.so"
needs_clock = pytest.mark.skipif(not MODULE.exists(), reason="tests/clock.so is not beside the binary")


class Clock:
    """Of the server that is started with `prefix`."""

    def __init__(self, directory):
        self.file = open(directory / "clock", "wb+", buffering=0)
        self.file.write(bytes(24))
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

    def _tell(self, at, value):
        self.file.seek(at)
        self.file.write(struct.pack("q", value))
