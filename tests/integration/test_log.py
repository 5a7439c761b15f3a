"""What `mutual serve` logs, in which form, and what happens when nobody takes it."""
import fcntl
import json
import os
import re
import ssl
import threading

import pytest

from backend import Backend, echo
from door import WAIT, Door, ask, connect, context, plain, read_all
from metrics import metrics

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def provoke(door, ctx):
    """Something of each class: a request or a carried connection, and a refusal."""
    with connect(door, ctx) as sock:
        sock.sendall(GET.encode())
        assert sock.recv(1)
    with plain(door) as sock:
        sock.sendall(b"this is not TLS\n")
        read_all(sock)


@pytest.mark.parametrize("classes, logged", [
    ("all", {"request", "refused"}),
    ("requests", {"request"}),
    ("refusals", {"refused"}),
    ("refusals,requests", {"request", "refused"}),
    ("troubles,connections", set()),
    ("none", set()),
])
def test_each_class_is_logged_when_it_is_asked_for(ca, place, ctx, classes, logged):
    with Door(place, "--log", classes, home=ca) as door:
        provoke(door, ctx)
        assert door.stop() == 0
    assert {line.split()[2] for line in door.log} == logged, door.log


def test_carried_connections_are_a_class_and_those_that_a_backend_fails_are_troubles(ca, place, ctx):
    with Backend(echo) as backend:
        for classes, logged in (("connections", {"connection"}), ("troubles", set())):
            with Door(place, "--log", classes, "--to", backend.url, home=ca) as door:
                provoke(door, ctx)
                assert door.stop() == 0
            assert {line.split()[2] for line in door.log} == logged, door.log
    with Door(place, "--log", "troubles", "--to", backend.url, home=ca) as door:
        with connect(door, ctx) as sock, pytest.raises((ConnectionError, ssl.SSLError)):
            sock.recv(1)
            raise ConnectionResetError
        assert "backend-unreachable" in door.says(" connection ")


def test_the_form_of_the_log_can_differ_from_that_of_the_rest(ca, place, ctx):
    with Door(place, "--log", "all", "--log-format", "json", home=ca) as door:
        assert door.ready.startswith("ready: ")
        provoke(door, ctx)
        assert door.stop() == 0
    assert {json.loads(line)["event"] for line in door.log} == {"request", "refused"}
    with Door(place, "--log-format", "text", "--json", home=ca) as door:
        assert json.loads(door.ready)["event"] == "ready"
        provoke(door, ctx)
        assert " refused not-tls: " in door.says("not-tls")


def test_a_file_says_it_too(ca, place, ctx):
    (place / "mutual.yaml").write_text(
        f"log: [requests, troubles]\nlog_format: json\ncontrol: here.sock\ndoors: [{{listen: '127.0.0.1:0', certificate: localhost.crt,"
        f" key: localhost.key, trust: {ca}/ca.crt}}]\n")
    with Door(place, "--config", "mutual.yaml", home=ca, listen=()) as door:
        provoke(door, ctx)
        assert (place / "here.sock").exists()
        assert door.stop() == 0
    assert [json.loads(line)["event"] for line in door.log] == ["request"]


def test_what_nobody_takes_is_lost_counted_and_told_later(ca, place, ctx):
    """The log is a pipe that is full. Clients are served all the same, and when it is read again, it says what is missing."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    options = ("--workers", 2, "--log", "requests", "--control", "here.sock")
    with Door(place, *options, home=ca, prefix=("sh", "-c", f'exec "$@" 2>/dev/fd/{writing}', "sh"), pass_fds=[writing]) as door:
        os.close(writing)
        sent = 0
        with connect(door, ctx) as sock:
            while metrics(str(place / "here.sock"))["mutual_log_lines_lost_total"] == 0:
                line = f"GET /{'x' * 900} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
                for _ in range(100):  # in one go, as pipelining has it
                    assert ask(sock, line)[0] == 404
                    sent += 1
                assert sent < 2000
        heard = []
        reader = threading.Thread(target=lambda: heard.extend(iter(lambda: os.read(reading, 65536), b"")), daemon=True)
        reader.start()
        assert door.stop() == 0
        reader.join(WAIT)
        os.close(reading)
    text = b"".join(heard)
    assert re.search(rb" - trouble log-lost: \d+ lines? of this log could not be written; hint: ", text)
    lost = sum(int(n) for n in re.findall(rb"log-lost: (\d+) ", text))
    assert text.count(b" request ") + lost == sent and all(line.endswith(b" 404 HTTP/1.1") or b"log-lost" in line
                                                           for line in text.splitlines())


def test_a_reader_that_has_gone_holds_up_nobody(ca, place, ctx):
    reading, writing = os.pipe()
    with Door(place, "--log", "all", home=ca, prefix=("sh", "-c", f'exec "$@" 2>/dev/fd/{writing}', "sh"), pass_fds=[writing]) as door:
        os.close(writing)
        os.close(reading)
        for _ in range(3):
            provoke(door, ctx)
        assert door.stop() == 0
