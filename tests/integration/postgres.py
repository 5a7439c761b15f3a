"""A PostgreSQL server of a test's own: on a socket in a directory of its own, gone with the test."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

WAIT = 60


def programs():
    """Where initdb and postgres lie: Debian keeps them out of PATH, one directory a version."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if shutil.which("initdb"):
        return pathlib.Path(shutil.which("initdb")).parent
    pytest.skip("postgresql is not installed")


class Postgres:
    """The server refuses to run as root, so that root lets the user postgres run it."""

    def __init__(self):
        self.bin = programs()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mutual-pg-", dir="/tmp"))  # a socket's path is short
        self.prefix = []
        if os.geteuid() == 0:
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.directory, "postgres", "postgres")
        self.data = self.directory / "data"
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self.process = None
        self.start()

    def run(self, program, *words):
        done = subprocess.run([*self.prefix, self.bin / program, *map(str, words)], cwd=self.directory, timeout=WAIT,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def start(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [*self.prefix, self.bin / "postgres", "-D", self.data, "-k", self.directory, "-c", "listen_addresses="],
            cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        deadline = time.monotonic() + WAIT
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.directory], check=False).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.05)

    def kill(self):
        """As a power cut would: no shutdown, no last words. The children end when they see that their parent is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def url(self, database="postgres"):
        return f"postgresql:///{database}?host={self.directory}&user=postgres"

    def sql(self, text, database="postgres"):
        done = subprocess.run([self.bin / "psql", "-X", "-A", "-t", "-q", "-d", self.url(database), "-c", text],
                              capture_output=True, text=True, timeout=WAIT, check=False)
        assert done.returncode == 0, done
        return done.stdout.strip()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast: no waiting for clients
            self.process.wait(WAIT)
        shutil.rmtree(self.directory)
