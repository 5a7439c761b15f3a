"""A terminal of its own for a command that asks there."""
import contextlib
import fcntl
import os
import pty
import subprocess
import termios

from conftest import WAIT


def read_rest(ours):
    """What is shown until nobody has the other end any more, which is how Linux ends a terminal."""
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    return shown


def answer(mutual, words, answers, echo=False, env=None):
    """Run it, give it one answer for each prompt (what ends with ": "), and return its exit status and what was
    shown. Whoever sees a prompt may answer: nothing is echoed unless `echo`, nor thrown away, from there on."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        mutual.argv(*words), cwd=mutual.cwd, env=mutual.environment(env=env), stdin=theirs,
        stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    shown, answers = b"", list(answers)
    try:
        while piece := os.read(ours, 65536):
            shown += piece
            if answers and shown.endswith(b": "):
                assert bool(termios.tcgetattr(ours)[3] & termios.ECHO) == echo
                os.write(ours, answers.pop(0).encode() + b"\n")
    except OSError:  # the other end is closed: that is how Linux ends a terminal
        pass
    os.close(ours)
    assert not answers, shown
    return process.wait(WAIT), shown.decode()
