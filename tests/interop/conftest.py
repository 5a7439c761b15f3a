"""What every meeting with another TLS needs: the binary, certificates, and the other side's helpers."""
import os
import pathlib
import sys
import time

import pytest

# This folder is a package, so that its conftest is `interop.conftest` and `conftest` is the scenarios'.
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE)]  # in this order: both have a conftest

from conftest import Mutual, ca, home, model, mutual  # noqa: E402, F401  (the last four are fixtures)
from door import Door  # noqa: E402
from peers import CLIENTS, SERVERS, Files, Workshop, need, run  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "judged: other people's programs judge files that mutual has made; the sanitizers' run leaves it out")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # of all workers of this run
    return Workshop(place)


class World:
    """Certificates in one directory, by name: world.files("my-client") is that client, trusting the CA."""

    def __init__(self, directory, mutual, ca):
        self.directory, self.mutual, self.ca = directory, mutual, ca

    def files(self, name=None):
        if name is None:
            return Files(self.ca)
        return Files(self.ca, self.directory / f"{name}.crt", self.directory / f"{name}.key")


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    """What mutual makes: a CA, a server and a client; and the clients that nobody should let in."""
    directory = tmp_path_factory.mktemp("ours")
    mutual = Mutual(directory / "home", directory)
    mutual("init").ok()
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "my-client").ok()
    mutual("init", "strange-ca", home=directory / "strange").ok()
    mutual("issue", "client", "stranger", home=directory / "strange").ok()
    mutual("issue", "client", "late", "--lifetime", "1s").ok()
    time.sleep(2.1)  # until it has expired: X.509 counts in seconds
    return World(directory, mutual, directory / "home/ca.crt")


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """What the hand-made way leaves behind, command by command."""
    openssl = need("openssl")
    directory = tmp_path_factory.mktemp("recipe")

    def do(words):
        run(openssl, *words.split(), cwd=directory)

    do("req -new -x509 -nodes -days 365 -subj /CN=my-ca -keyout ca.key -out ca.crt")
    for name, subject in [("server", "localhost"), ("client", "my-client")]:
        do(f"genrsa -out {name}.key 2048")
        do(f"req -new -key {name}.key -subj /CN={subject} -out {name}.csr")
        do(f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out {name}.crt")
    return World(directory, Mutual(directory / "no-home", directory), directory / "ca.crt")


@pytest.fixture
def make_client(workshop, tmp_path):
    """The other side's client, by name."""
    return lambda name: CLIENTS[name](workshop, tmp_path)


@pytest.fixture
def make_server(workshop, tmp_path):
    """The other side's server, by name; it ends with the test."""
    started = []

    def make(name, version, files):
        directory = tmp_path / f"{name}-{len(started)}"
        directory.mkdir()
        started.append(SERVERS[name](workshop, directory, version, files))
        return started[-1]

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def make_door(tmp_path):
    """`mutual serve` with these files; it ends with the test."""
    doors = []

    def make(files, *options):
        own = ["--cert", files.cert, "--key", files.key]
        doors.append(Door(tmp_path, "--workers", "1", "--cacert", files.ca, *own, *options, home=tmp_path / "no-home"))
        return doors[-1]

    yield make
    for door in doors:
        door.__exit__()
