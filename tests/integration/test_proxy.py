"""`serve --to http:`: requests of admitted clients, to a backend that speaks HTTP/1.1, and its answers back."""
import contextlib
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import ssl
import threading

import pytest

import h2
from backend import Backend, reset
from clock import Clock, needs_clock
from made_config import door_text, serve, write_config
from metrics import metrics
from door import (WAIT, Door, Wire, ask, connect, context, free_port, plain, read_all, read_answer, refused,
                  until)

MIB = 1024 * 1024
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
GET = HEAD + b"\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def http(backend):
    return re.sub("^(tcp://)?", "http://", getattr(backend, "url", backend))


@contextlib.contextmanager
def proxying(ca, place, *backends, options=()):
    to = [word for backend in backends for word in ("--to", http(backend))]
    with Door(place, *to, *options, home=ca) as door:
        yield door


def accepts(door):
    try:
        plain(door).close()
    except ConnectionError:  # refused; or reset, when it came while the socket was being closed
        return False
    return True


class Gone(Exception):
    pass


class Incoming:
    """The requests on one connection, byte for byte."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def until(self, end):
        while end not in self.data:
            piece = self.sock.recv(65536)
            if not piece:
                raise Gone
            self.data += piece
        at = self.data.index(end) + len(end)
        taken, self.data = self.data[:at], self.data[at:]
        return taken

    def count(self, wanted):
        while len(self.data) < wanted:
            piece = self.sock.recv(65536)
            if not piece:
                raise Gone
            self.data += piece
        taken, self.data = self.data[:wanted], self.data[wanted:]
        return taken

    def request(self):
        """(head, body): read by the rules, as a backend would."""
        head = self.until(b"\r\n\r\n")
        if found := re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head):
            return head, self.count(int(found.group(1)))
        body = b""
        if b"\r\nTransfer-Encoding: chunked\r\n" in head:
            while size := int(self.until(b"\r\n"), 16):
                body += self.count(size)
                assert self.until(b"\r\n") == b"\r\n"
            body += b"|" + self.until(b"\r\n")
            while not body.endswith(b"|\r\n") and not body.endswith(b"\r\n\r\n"):
                body += self.until(b"\r\n")
        return head, body


class Recorder(Backend):
    """Records requests, and gives each the answer `answers[i]`, or the last one: bytes, or a function of
    (socket, incoming, head)."""

    def __init__(self, *answers, path=None):
        self.requests, self.answers, self.ends = [], list(answers) or [OK], []
        super().__init__(self._talk, path)

    def _talk(self, sock):
        incoming = Incoming(sock)
        try:
            while True:
                head, body = incoming.request()
                answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                self.requests.append((head, body))
                if callable(answer):
                    if answer(sock, incoming, head) == "close":
                        return
                else:
                    sock.sendall(answer)
                    if b"\r\nConnection: close\r\n" in answer:
                        return
        except Gone:
            self.ends.append(incoming.data)


def exchange(ca, place, ctx, request, *answers, options=()):
    """What a client gets for these bytes until the server closes or has answered once, and what arrived at the backend."""
    with Recorder(*answers) as backend, proxying(ca, place, backend, options=options) as door:
        with connect(door, ctx) as sock:
            sock.sendall(request)
            return read_answer(sock), backend.requests


# --- Requests and answers ---


def test_a_request_goes_to_the_backend_and_its_answer_comes_back(ca, place, ctx):
    (status, headers, body), requests = exchange(ca, place, ctx, HEAD + b"X-Mine: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
                                                 b"Client-Cert: evil\r\nX_Forwarded_For: evil\r\n\r\n")
    assert (status, body) == (200, b"hello") and "date" in headers
    assert requests == [(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Mine: 1\r\nX-Forwarded-For: 127.0.0.1\r\n"
                         b"X-Forwarded-Proto: https\r\nForwarded: for=127.0.0.1;proto=https;host=\"localhost\"\r\n"
                         b"X-Forwarded-Host: localhost\r\nVia: 1.1 mutual\r\n\r\n", b"")]


def test_a_unix_socket_and_one_backend_connection_for_many_clients(ca, place, ctx):
    with Recorder(path=place / "app.sock") as backend, \
            proxying(ca, place, backend, options=("--workers", "1")) as door:
        for _ in range(3):
            with connect(door, ctx) as sock:
                for _ in range(3):
                    assert ask(sock, GET)[0] == 200
        assert len(backend.requests) == 9 and backend.accepted == 1


def test_pipelined_requests_are_answered_in_order(ca, place, ctx):
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % i for i in range(5)]
    with Recorder(*answers) as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" * 4 + HEAD + b"Connection: close\r\n\r\n")
        data, error = read_all(sock)
        assert error is None and re.findall(rb"\r\n\r\n(\d)", data) == [b"0", b"1", b"2", b"3", b"4"]
        assert [body for _, body in backend.requests] == [b"abc"] * 4 + [b""]


def test_http_1_0_gets_what_it_understands(ca, place, ctx):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with Recorder(chunked, OK, b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK) as backend, \
            proxying(ca, place, backend) as door:
        with connect(door, ctx) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            data, _ = read_all(sock)
            assert data.endswith(b"\r\nConnection: close\r\n\r\nabcde") and b"chunked" not in data
        with connect(door, ctx) as sock:
            assert ask(sock, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")[1]["connection"] == "keep-alive"
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data, _ = read_all(sock)
            assert b"103" not in data and data.startswith(b"HTTP/1.1 200 OK\r\n")


def test_answers_without_a_body(ca, place, ctx):
    with Recorder(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                  b"HTTP/1.1 204 No Content\r\n\r\n", OK) as backend, \
            proxying(ca, place, backend, options=("--workers", "1")) as door:
        with connect(door, ctx) as sock:
            sock.sendall(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + GET * 3)
            data = b""
            while not data.endswith(b"hello"):
                data += sock.recv(65536)
        heads = data.split(b"\r\n\r\n")
        assert [head.split()[1] for head in heads[:4]] == [b"200", b"304", b"204", b"200"]
        assert b"Content-Length: 500" in heads[0] and b"Content-Length: 7" in heads[1]
        assert b"Content-Length" not in heads[2] and backend.accepted == 1


def test_an_answer_of_unknown_length_is_chunked_and_its_trailers_arrive(ca, place, ctx):
    with Recorder(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nGrpc-Status: 0\r\n"
                  b"Keep-Alive: timeout=9\r\n\r\n") as backend, proxying(ca, place, backend) as door:
        with connect(door, ctx) as sock:
            sock.sendall(GET + HEAD + b"Connection: close\r\n\r\n")
            data, _ = read_all(sock)
            assert b"\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\nHTTP/1.1" in data
            assert data.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n")


def test_a_length_in_a_trailer_goes_no_further(ca, place, ctx):
    """Newer llhttp takes the whole answer for broken, older drops the trailer."""
    with Recorder(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"
                  ) as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(HEAD + b"Connection: close\r\n\r\n")
        data, _ = read_all(sock)
        assert b"Content-Length" not in data
        assert data == b"" or data.startswith(b"HTTP/1.1 200 ")


def test_interim_answers_go_to_the_client(ca, place, ctx):
    def talk(sock, _incoming, _head):
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)

    with Recorder(talk) as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(GET)
        data = b""
        while not data.endswith(b"hello"):
            data += sock.recv(65536)
        assert data.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("scheme", ["http", "h2c"])
def test_a_backend_that_always_has_an_answer_before_its_answer_has_none(ca, place, ctx, scheme):
    """Each gives it as much time again."""
    many = 1000

    def talk(sock):
        if scheme == "http":
            Incoming(sock).request()
            sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * many + OK)
            sock.recv(1)
        else:
            early = lambda stream: h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.field(":status", "102"))
            h2.Server(sock, lambda server, stream: server.send(early(stream) * many) or server.answer(stream))

    with Backend(talk) as backend, Door(place, "--to", backend.url.replace("tcp", scheme), home=ca) as door, \
            connect(door, ctx) as sock:
        sock.sendall(GET)
        data = b""
        while b"hello" not in data and b"[backend-bad-answer]" not in data:
            data += sock.recv(65536)
        assert data.count(b"HTTP/1.1 102 ") == 100 and b"\r\n\r\nHTTP/1.1 502 " in data


def test_expect_100_continue_is_between_the_client_and_the_backend(ca, place, ctx):
    def talk(sock):
        incoming = Incoming(sock)
        head = incoming.until(b"\r\n\r\n")
        if b"refuse" in head:
            sock.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert incoming.count(5) == b"hello"
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")  # and nobody may keep it for the next

    request = b"POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with Backend(talk) as backend, proxying(ca, place, backend) as door:
        with connect(door, ctx) as sock:
            assert ask(sock, request % b"take")[0] == 100
            assert ask(sock, b"hello")[0] == 200
        with connect(door, ctx) as sock:
            status, headers, _ = ask(sock, request % b"refuse")
            assert status == 413 and headers["connection"] == "close"
            assert read_all(sock) == (b"", None)
        assert not backend.errors


# --- Bodies ---


def test_bodies_stream_in_both_directions_at_once(ca, place, ctx):
    """An echo of 8 MiB: the answer begins, and goes on, while the request is under way."""
    data = os.urandom(8 * MIB)

    def talk(sock):
        incoming = Incoming(sock)
        incoming.until(b"\r\n\r\n")
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        done = 0
        while done < len(data):
            piece = incoming.data or sock.recv(65536)
            incoming.data = b""
            sock.sendall(piece)
            done += len(piece)

    with Backend(talk) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(data))
        got = b""
        while b"\r\n\r\n" not in got:
            wire.sendall(data[:1])
            data = data[1:] + data[:1]  # what was sent first is what comes back first
            got += wire.recv(65536) if b"HTTP/1.1" not in got else wire.recv(65536)
            break
        assert got.startswith(b"HTTP/1.1 200 OK\r\n"), "before the body has been sent"
        whole = data[-1:] + data[:-1]
        got, at = bytearray(got.split(b"\r\n\r\n", 1)[1]), 1
        while at < len(whole):
            wire.sendall(whole[at:at + 16384])
            at += 16384
            while len(got) < at - 4 * MIB // 8:
                got += wire.recv(65536)
        while len(got) < len(whole):
            got += wire.recv(65536)
        assert bytes(got) == whole and not backend.errors


@pytest.mark.parametrize("chunked", [False, True])
def test_an_end_that_does_not_read_stops_the_other(ca, place, ctx, chunked):
    """No more is taken from a sender than sockets and a few buffers hold."""
    sent = [0]

    def pour(sock):
        Incoming(sock).until(b"\r\n\r\n")
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (200 * MIB))
                     + b"\r\n\r\n")
        sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent[0] < 200 * MIB:
                sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n" if chunked else bytes(65536))
                sent[0] += 65536

    with Backend(pour) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(GET)
        until(lambda: backend.accepted == 1 and backend.open == 0)
        assert 0 < sent[0] < 64 * MIB

    held = threading.Event()
    with Backend(lambda _: held.wait(WAIT)) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sock.settimeout(0.5)
        wire.sendall(b"POST / HTTP/1.1\r\nHost: h\r\n" + (b"Transfer-Encoding: chunked" if chunked else
                                                         b"Content-Length: %d" % (200 * MIB)) + b"\r\n\r\n")
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 200 * MIB:
                wire.sendall(b"4000\r\n" + bytes(16384) + b"\r\n" if chunked else bytes(16384))
                taken += 16384
        held.set()
        assert 0 < taken < 64 * MIB


def test_who_is_refused_and_does_not_listen_is_not_heard(ca, place, ctx):
    """Each refusal is ten times as long as its request, and nobody is to gather them."""
    with Recorder() as backend, proxying(ca, place, backend, options=("--allow", "cn=nobody")) as door, \
            connect(door, ctx) as sock:
        sock.settimeout(0.5)
        sent, some = 0, GET * 300
        with contextlib.suppress(TimeoutError):
            while sent < 32 * MIB:
                sock.sendall(some)
                sent += len(some)
        assert sent < 32 * MIB, "it is heard for ever"
        sock.settimeout(WAIT)
        answers = 0
        while answers < 10000:
            answers += sock.recv(65536).count(b"HTTP/1.1 403 ")
        assert not backend.accepted


def test_a_request_in_chunks_arrives_in_chunks_with_its_trailers(ca, place, ctx):
    _, requests = exchange(ca, place, ctx, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"3;ext=\"x\"\r\nabc\r\n0002\r\nde\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: evil\r\n\r\n")
    head, body = requests[0]
    assert b"Content-Length" not in head and body == b"abcde|X-Sum: 1\r\n\r\n"


# --- Smuggling ---


@pytest.mark.parametrize("headers, status", [
    (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    (b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"X: y\0Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nab", 400),
    (b"Content-Length: +1\r\n\r\na", 400),
    (b"Content-Length: 1 \r\n1\r\n\r\na", 400),
    (b"Content-Length: 0x1\r\n\r\na", 400),
    (b"Content-Length: 1,1\r\n\r\na", 400),
    (b"Host: other\r\nContent-Length: 0\r\n\r\n", 400),
])
def test_what_could_smuggle_a_request_does_not_reach_the_backend(ca, place, ctx, headers, status):
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
    with Recorder() as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + smuggled)
        data, _ = read_all(sock)
        assert data.startswith(b"HTTP/1.1 %d " % status) and data.count(b"HTTP/1.1 4") + data.count(b"HTTP/1.1 5") + data.count(b"HTTP/1.1 2") == 1
        assert backend.accepted == 0


@pytest.mark.parametrize("chunks", [
    b"3\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n", b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
])
def test_a_body_that_is_broken_is_cut_off_at_the_backend_too(ca, place, ctx, chunks):
    with Recorder() as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + GET)
        data, _ = read_all(sock)
        assert data.startswith(b"HTTP/1.1 400 ") and data.count(b"HTTP/1.1 4") + data.count(b"HTTP/1.1 5") + data.count(b"HTTP/1.1 2") == 1 and not backend.requests


def test_what_looks_harmless_arrives_in_one_reading(ca, place, ctx):
    _, requests = exchange(ca, place, ctx, b"GET http://other.example/x HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n")
    head, _ = requests[0]
    assert head.startswith(b"GET /x HTTP/1.1\r\nHost: other.example\r\nX-Forwarded-For: ")
    assert b"localhost" not in head and b"_" not in head


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: y\nSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 50000 + b"\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"SSH-2.0-OpenSSH\r\n",
])
def test_an_answer_with_two_readings_is_none(ca, place, ctx, answer):
    with Recorder(answer) as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        status, headers, body = ask(sock, GET)
        assert status == 502 and body.endswith(b"[backend-bad-answer]\n") and "set-cookie" not in headers
        assert " GET / 502 " in door.says(" backend-bad-answer")


def test_a_backend_that_speaks_http_2_is_told_for_what_it_is(ca, place, ctx):
    with Recorder(h2.frame(h2.SETTINGS)) as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        status, _, body = ask(sock, GET)
        assert status == 502 and body.endswith(b"[backend-is-http2]\n")
        assert " GET / 502 " in door.says(" backend-is-http2")


def test_an_answer_that_nobody_asked_for_is_given_to_nobody(ca, place, ctx):
    """What comes behind an answer is not the next client's."""
    with Recorder(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK) as backend, \
            proxying(ca, place, backend, options=("--workers", "1")) as door, connect(door, ctx) as sock:
        assert ask(sock, GET)[2] == b"hello"
        assert ask(sock, GET)[2] == b"hello"
        assert backend.accepted == 2


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_who_has_proved_itself_by_its_connection_has_that_to_itself(ca, place, ctx, scheme):
    """Such a backend takes all that comes by that connection for the same client's. [RFC 4559 6]"""
    def talk(sock):
        incoming, user = Incoming(sock), b"nobody"
        with contextlib.suppress(Gone):
            while True:
                head, _ = incoming.request()
                if found := re.search(rb"(?i)\r\nauthorization: \w+ (\w+)\r\n", head):
                    user = found.group(1)
                status = b"200 OK" if user != b"nobody" else b"401 Unauthorized\r\nWWW-Authenticate: " + scheme.encode()
                sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(user), user))

    with Backend(talk) as backend, proxying(ca, place, backend, options=("--workers", "1")) as door, \
            connect(door, ctx) as alice, connect(door, ctx) as bob:
        assert ask(alice, GET)[0] == 401
        assert ask(alice, HEAD + f"Authorization: {scheme} alice\r\n\r\n".encode())[2] == b"alice"
        assert ask(bob, GET)[0] == 401, "nobody else speaks by her connection"
        assert ask(alice, GET)[2] == b"alice", "and she goes on by it"
        assert ask(bob, HEAD + f"Authorization: {scheme} bob\r\n\r\n".encode())[2] == b"bob"
        assert (ask(alice, GET)[2], ask(bob, GET)[2]) == (b"alice", b"bob")
        assert backend.accepted == 2
        alice.close()
        bob.close()
        until(lambda: backend.open == 0)
        with h2.Client(door, ctx) as carol:  # over HTTP/2 there is nothing that it could be bound to
            for headers, status in ([("authorization", f"{scheme} carol")], 200), ([], 401):
                assert carol.answer(carol.ask("GET", "/", *headers))[0] == status


@pytest.mark.parametrize("kind", ["of its own", "of a backend"])
def test_a_stop_answers_who_has_a_request_on_its_way(ca, place, ctx, kind):
    """Whoever has just come, and who was at rest."""
    with Recorder() as backend, Door(place, *(() if kind == "of its own" else ("--to", http(backend))), "--workers", "1",
                                     home=ca) as door:
        asked, new = connect(door, ctx), connect(door, ctx)
        assert ask(asked, GET)[0] == 200
        door.signal()
        until(lambda: not accepts(door))
        for sock in asked, new:
            status, headers, _ = ask(sock, GET)
            assert (status, headers["connection"]) == (200, "close")
            assert read_all(sock) == (b"", None)
        assert door.stop() == 0


# --- Upgrades ---


UPGRADE = HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"


def test_who_has_to_leave_begins_nothing_more(mutual, ca, place, ctx):
    """What was asked behind the answer under way has been read already."""
    go_on = threading.Event()

    def slowly(sock, _incoming, _head):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        assert go_on.wait(WAIT)
        sock.sendall(b"cd")

    with Recorder(slowly, OK) as backend, proxying(ca, place, backend, options=("--control", "control")) as door:
        with connect(door, ctx) as sock:
            sock.sendall(GET + b"POST /second HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
            data = b""
            while not data.endswith(b"\r\n\r\nab"):
                data += sock.recv(65536)
            mutual("kick", "--socket", "control", "my-client", "--for", "1m", cwd=place).ok()
            door.says(" expelled client-kicked: ")
            go_on.set()
            assert read_all(sock)[0] in (b"cd", b"")
        assert len(backend.requests) == 1


def test_who_has_said_all_still_hears_the_end_of_the_answer(ca, place, ctx):
    """However little of it the client's socket takes at a time."""
    given = queue.Queue()

    def fully(sock, incoming, head):
        length = int(head.split()[1][1:])
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + bytes(length))
        given.put(length)

    with Recorder(fully) as backend, proxying(ca, place, backend) as door, contextlib.ExitStack() as stack:
        lengths, socks = range(2_950_000, 3_150_000, 20_000), []
        for length in lengths:
            small = stack.enter_context(socket.socket())
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            small.settimeout(WAIT)
            small.connect(("127.0.0.1", door.port))
            sock = stack.enter_context(ctx.wrap_socket(small, server_hostname="localhost", suppress_ragged_eofs=False))
            sock.sendall(f"GET /{length} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            socket.socket.shutdown(sock, socket.SHUT_WR)
            socks.append(sock)
        assert {given.get(timeout=WAIT) for _ in lengths} == set(lengths)
        for length, sock in zip(lengths, socks):
            data, _ = read_all(sock)
            assert len(data.removeprefix(CONTINUE).split(b"\r\n\r\n", 1)[1]) == length


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"])
def test_nobody_works_for_a_client_that_has_gone(ca, place, ctx, answer):
    """Whoever has said all may be listening still, and is not disturbed; who has gone is told of by a reset."""
    gone, held = threading.Event(), threading.Event()

    def late(sock, incoming, head):
        if b"/first" in head:
            sock.sendall(OK)
        elif b"/gone" in head:
            sock.sendall(answer)
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b""
            gone.set()
            return "close"
        else:
            sock.sendall(answer)
            held.wait(WAIT)
            sock.sendall(OK[len(answer):])
        return None

    with Recorder(late) as backend, proxying(ca, place, backend, options=("--log", "requests")) as door:
        with Wire(door, ctx) as wire:
            assert ask(wire, HEAD.replace(b"/", b"/first", 1) + b"\r\n")[0] == 200
            wire.sendall(HEAD.replace(b"/", b"/gone", 1) + b"\r\n")
            until(lambda: len(backend.requests) == 2)
            wire.end()
        assert gone.wait(WAIT)
        assert " client-gone," in door.says(" GET /gone ")
        with Wire(door, ctx) as wire:
            wire.sendall(GET)
            until(lambda: len(backend.requests) == 3)
            wire.end()
            if not answer:
                assert wire.recv(100) == CONTINUE
            held.set()
            assert read_all(wire)[0].endswith(b"hello")


def test_urgent_data_of_a_client_that_waits_keep_no_worker_busy(ca, place, ctx):
    held = threading.Event()

    def late(sock, incoming, head):
        if b"/first" not in head:
            held.wait(WAIT)
        sock.sendall(OK)

    def at_rest():
        tasks = pathlib.Path(f"/proc/{door.process.pid}/task").iterdir()
        return all((task / "stat").read_text().rpartition(") ")[2][0] == "S" for task in tasks)

    with Recorder(late) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(GET)
        wire.end()
        assert wire.recv(100) == CONTINUE
        wire.sock.send(b"!", socket.MSG_OOB)
        with connect(door, ctx) as sock:
            assert ask(sock, HEAD.replace(b"/", b"/first", 1) + b"\r\n")[0] == 200
        until(at_rest)
        held.set()
        assert read_all(wire)[0].endswith(b"hello")


def switch(sock, _incoming, head):
    assert b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" in head
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nwelcome ")
    return switch_over(sock, _incoming.data)


def switch_over(sock, data):
    """Send back what comes, and say goodbye."""
    while True:
        sock.sendall(data)
        data = sock.recv(65536)
        if not data:
            sock.sendall(b" bye")
            return "close"


def test_an_upgraded_connection_carries_bytes(ca, place, ctx):
    with Recorder(switch) as backend, proxying(ca, place, backend, options=("--log", "requests")) as door, \
            Wire(door, ctx) as wire:
        wire.sendall(UPGRADE + b"early ")
        data = b""
        while not data.endswith(b"early "):
            data += wire.recv(65536)
        assert data.startswith(b"HTTP/1.1 101 Switching Protocols\r\n") and data.endswith(b"\r\n\r\nwelcome early ")
        for piece in (b"\0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(100000)):
            wire.sendall(piece)
            got = b""
            while len(got) < len(piece):
                got += wire.recv(65536)
            assert got == piece
        wire.end()
        assert read_all(wire) == (b" bye", None)
        line = door.says(" request ")
        assert " GET / 101 " in line and "received 100029, sent 100041" in line
        assert not backend.errors


def test_of_several_upgrades_the_client_is_told_which(ca, place, ctx):
    offer = UPGRADE.replace(b"Upgrade: websocket", b"Upgrade: foo/1, websocket")
    for chosen, told in (b"websocket", b"Upgrade: websocket"), (b"bar", b"[backend-bad-answer]"):
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + chosen + b"\r\nConnection: Upgrade\r\n\r\n"
        with Recorder(lambda sock, _in, _head: sock.sendall(answer) or "close") as backend, proxying(ca, place, backend) as door, \
                connect(door, ctx) as sock:
            sock.sendall(offer)
            data = b""
            while told not in data and (piece := sock.recv(65536)):
                data += piece
            assert told in data


def test_who_has_said_all_before_it_is_agreed_to_carry_is_heard_to_the_end(ca, place, ctx):
    asked, agreed = threading.Event(), threading.Event()

    def late(sock, incoming, head):
        if b"Upgrade: " not in head:
            return sock.sendall(OK)
        asked.set()
        agreed.wait(WAIT)
        return switch(sock, incoming, head)

    with Recorder(late) as backend, proxying(ca, place, backend, options=("--workers", "1")) as door, connect(door, ctx) as other:
        for rest in b"early", b"":
            asked.clear()
            agreed.clear()
            with Wire(door, ctx) as wire:
                wire.sendall(UPGRADE + rest)
                assert asked.wait(WAIT)
                wire.end()
                assert ask(other, GET)[0] == 200, "by now that has been heard"
                agreed.set()
                data, error = read_all(wire)
                assert data.endswith(b"\r\n\r\nwelcome " + rest + b" bye") and error is None


def test_behind_an_upgrade_no_request_is_heard_any_more(ca, place, ctx):
    def leave(sock, _incoming, _head):
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        return "close"

    with Recorder(leave) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(UPGRADE)
        data, error = read_all(wire)
        assert data.startswith(b"HTTP/1.1 101 ") and error is None
        with contextlib.suppress(OSError, ssl.SSLError):
            for _ in range(3):
                wire.sendall(GET)
            assert read_all(wire)[0] == b""
        assert backend.accepted == 1


def test_a_request_with_a_body_may_ask_for_an_upgrade(ca, place, ctx):
    """As those of docker exec and kubectl exec do; but not before all of it is there."""
    ended = threading.Event()

    def upgrade(sock, incoming, _head):
        ended.wait(WAIT)
        sock.sendall(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n")
        return switch_over(sock, incoming.data)

    def too_soon(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n")
        sock.recv(65536)

    start = b"POST /exec/1/start HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    for body, early in ((b"Content-Length: 0\r\n\r\n", b""), (b"Content-Length: 2\r\n\r\n{}", b"whoami\n"),
                        (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"")):
        with Recorder(upgrade) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
            ended.clear()
            wire.sendall(start + body + early)
            wire.end()
            ended.set()
            data, error = read_all(wire)
            assert data.startswith(b"HTTP/1.1 101 ") and data.endswith(b"\r\n\r\n" + early + b" bye") and error is None
            assert backend.requests[0][1] in (b"", b"{}", b"{}|\r\n")
    with Backend(too_soon) as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(start + b"Content-Length: 2\r\n\r\n{")
        assert read_answer(sock)[0] == 502


def test_an_upgrade_that_is_refused_is_an_answer(ca, place, ctx):
    with Recorder() as backend, proxying(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(UPGRADE + GET)
        assert read_answer(sock)[0] == 200
        assert len(backend.requests) == 2 or read_answer(sock)[0] == 200


def test_nobody_is_switched_to_http_2(ca, place, ctx):
    _, requests = exchange(ca, place, ctx, HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                           b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
    assert b"pgrade" not in requests[0][0] and b"HTTP2" not in requests[0][0]


# --- Backends that fail ---


def test_a_backend_that_is_not_there_is_503_and_a_line(ca, place, ctx):
    port = free_port()
    with proxying(ca, place, f"127.0.0.1:{port}") as door, connect(door, ctx) as sock:
        status, headers, body = ask(sock, GET)
        assert status == 503 and body.endswith(b"cannot be reached [backend-unreachable]\n")
        assert " GET / 503 HTTP/1.1 - backend-unreachable (Connection refused), received 0" in door.says(" request ")
        with socket.socket() as listener:  # and when it is there, it is there; the client is still connected
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            sock.sendall(GET)
            there, _ = listener.accept()
            Incoming(there).until(b"\r\n\r\n")
            there.sendall(OK)
            assert read_answer(sock)[0] == 200
            there.close()


def test_a_backend_that_does_not_accept_is_504(ca, place, ctx):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # until the kernel's queue is full and it drops what comes
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        with proxying(ca, place, f"127.0.0.1:{full.getsockname()[1]}", options=("--connect-timeout", "1s")) as door, \
                connect(door, ctx) as sock:
            status, _, body = ask(sock, GET)
            assert status == 504 and b"[backend-connect-timeout]" in body
        for sock in waiting:
            sock.close()


def test_a_backend_that_does_not_answer_is_504(ca, place, ctx):
    held = threading.Event()
    with Backend(lambda _: held.wait(WAIT)) as backend, \
            proxying(ca, place, backend, options=("--read-timeout", "1s")) as door, connect(door, ctx) as sock:
        status, _, body = ask(sock, GET)
        assert status == 504 and b"[backend-timeout]" in body
        held.set()


@pytest.mark.parametrize("answer, got", [
    (b"", b"502"),
    (b"HTTP/1.1 200 OK\r\nConte", b"502"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", b"502"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", None),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", None),
])
def test_an_answer_that_is_cut_off_is_seen_to_be(ca, place, ctx, answer, got):
    def talk(sock, _incoming, _head):
        sock.sendall(answer)
        return "close"

    with Recorder(talk) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(GET)
        if got is not None:
            data = b""
            while b"backend-closed" not in data:
                data += wire.recv(65536)
            assert data.split(b"HTTP/1.1 ")[-1].startswith(got)
        else:
            data, error = read_all(wire)
            assert isinstance(error, (ConnectionError, ssl.SSLError)), "no end that could be taken for one"
            assert b"\r\n0\r\n" not in data
        assert "backend-closed" in door.says(" request ")
        assert len(backend.requests) == 1, "once only"


def test_a_kept_connection_that_has_died_is_no_reason_to_fail(ca, place, ctx):
    """Idempotent requests go again, on a new connection; of others nobody can know whether they were done."""
    def die(sock, _incoming, _head):
        reset(sock)
        return "close"

    for request, answers, wanted, requests in [
            (GET, (OK, die, OK), 200, 3),
            (b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", (OK, die, OK), 200, 3),
            (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", (OK, die, OK), 502, 2),
            (GET, (OK, die, die, OK), 502, 3)]:
        with Recorder(*answers) as backend, proxying(ca, place, backend, options=("--workers", "1")) as door, \
                connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
            assert ask(sock, request)[0] == wanted
            assert len(backend.requests) == requests


def test_of_a_request_the_beginning_of_which_is_gone_no_rest_is_said_again(ca, place, ctx):
    """It would be read as a request, whose head is the client's to choose."""
    heard = threading.Event()

    def talk(sock):
        incoming = Incoming(sock)
        incoming.until(b"\r\n\r\n")
        sock.sendall(OK)
        incoming.until(b"\r\n\r\n")
        incoming.count(40_000)
        heard.set()
        incoming.until(b"forged\r\n\r\n")

    with Backend(talk) as backend, proxying(ca, place, backend, options=("--workers", "1")) as door, \
            connect(door, ctx) as sock:
        assert ask(sock, GET)[0] == 200
        sock.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + b"x" * 40_000)
        assert heard.wait(WAIT)
        assert ask(sock, b"GET /evil HTTP/1.1\r\nHost: h\r\nClient-Cert: forged\r\n\r\n")[0] == 502
        assert backend.accepted == 1


def test_a_kept_connection_that_was_closed_is_not_used(ca, place, ctx):
    closing = [True]

    def talk(sock, _incoming, _head):
        sock.sendall(OK)
        return "close" if closing.pop() else None

    with Recorder(talk, OK) as backend, proxying(ca, place, backend, options=("--workers", "1")) as door, \
            connect(door, ctx) as sock:
        assert ask(sock, GET)[0] == 200
        until(lambda: backend.open == 0)
        assert ask(sock, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")[0] == 200
        assert backend.accepted == 2


@needs_clock
def test_what_nobody_has_needed_for_a_minute_is_closed(ca, place, ctx):
    """Also where no other request comes that would find it too old."""
    clock = Clock(place)
    with Recorder() as backend, Door(place, "--to", http(backend), "--workers", "1", home=ca, prefix=clock.prefix) as door:
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200 and backend.open == 1
        clock.let_pass(61)
        plain(door).close()  # so that it looks at the clock
        until(lambda: backend.open == 0)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is not here")
def test_what_is_kept_makes_room_for_clients(ca, place, ctx):
    """Where there are no descriptors left for these, and before one of them has to wait for any."""
    together = threading.Barrier(8)

    def answer(sock, _incoming, _head):
        together.wait(WAIT)
        sock.sendall(OK)

    with Recorder(answer) as backend, contextlib.ExitStack() as stack, \
            Door(place, "--to", http(backend), "--workers", "1", home=ca, prefix=["prlimit", "--nofile=48:48"]) as door:
        clients = [stack.enter_context(connect(door, ctx)) for _ in range(8)]
        for sock in clients:
            sock.sendall(GET)
        for sock in clients:
            assert read_answer(sock)[0] == 200
        assert backend.open == 8
        more = [stack.enter_context(plain(door)) for _ in range(40)]
        until(lambda: backend.open == 0)
        door.says(" accept-paused: ")
        for sock in more:
            sock.close()


def test_when_one_is_away_the_others_serve_and_the_least_busy_is_next(ca, place, ctx):
    gone = f"127.0.0.1:{free_port()}"
    held, waiting = threading.Event(), queue.Queue()

    def wait(sock, _incoming, _head):
        waiting.put(1)
        held.wait(WAIT)
        sock.sendall(OK)

    with Recorder(wait) as one, Recorder(wait) as two, proxying(ca, place, gone, one, two) as door:
        socks = [connect(door, ctx) for _ in range(6)]
        for sock in socks:
            sock.sendall(GET)
            waiting.get(timeout=WAIT)
        assert (len(one.requests), len(two.requests)) == (3, 3)
        held.set()
        for sock in socks:
            assert read_answer(sock)[0] == 200
            sock.close()


@pytest.mark.parametrize("scheme", ["http", "h2c"])
@pytest.mark.parametrize("how", [socket.socket.close, reset])
def test_a_backend_that_answers_nobody_has_little_to_do_and_yet_is_left_alone(ca, place, ctx, how, scheme):
    """What may be said twice is said to the other one. Its few connections would draw everybody to it."""
    def ill(sock):
        sock.recv(65536)
        how(sock)

    def well(sock):
        if scheme == "http":
            Recorder._talk(other, sock)
        else:
            h2.Server(sock, lambda server, stream: server.answer(stream))

    with Backend(ill) as one, Recorder() as other:
        other.serve = well
        to = [word for backend in (one, other) for word in ("--to", backend.url.replace("tcp", scheme))]
        with Door(place, *to, "--workers", "1", home=ca) as door, connect(door, ctx) as sock:
            posted = [ask(sock, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")[0] for _ in range(2)]
            assert sorted(posted) == [200, 502], "they take turns, and one cannot be asked twice"
            for _ in range(8):
                assert ask(sock, GET)[0] == 200
            assert one.accepted == 3
            line = door.says(" backend-avoided: ")
            assert f"the backend {to[1]} has not answered several requests in a row: it is left alone for 10 seconds" in line


def test_a_backend_that_resets_every_stream_is_left_alone(ca, place, ctx):
    """Its connection is a good one, and kept; that is no excuse."""
    def ill(sock):
        h2.Server(sock, lambda server, stream: server.refuse(stream, h2.INTERNAL_ERROR))

    def well(sock):
        h2.Server(sock, lambda server, stream: server.answer(stream))

    with Backend(ill) as one, Backend(well) as other:
        to = [word for backend in (one, other) for word in ("--to", backend.url.replace("tcp", "h2c"))]
        with Door(place, *to, "--workers", "1", home=ca) as door, connect(door, ctx) as sock:
            assert [ask(sock, GET)[0] for _ in range(20)].count(502) == 3


def asked(well):
    """A backend that answers its clients, and /health with 200 or 500."""
    def talk(sock, _incoming, head):
        bad = head.startswith(b"GET /health ") and not well[0]
        sock.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" if bad else OK)
    return talk


def clients_of(backend):
    return sum(not head.startswith(b"GET /health ") for head, _ in backend.requests)


def test_a_backend_that_is_not_well_is_left_alone_until_it_is(ca, place, ctx):
    sick, well = [False], [True]
    options = ("--health-check", "/health", "--health-interval", "1s", "--health-fall", "2", "--health-rise", "1")
    options += ("--control", "here.sock")
    with Recorder(asked(sick)) as one, Recorder(asked(well)) as two, proxying(ca, place, one, two, options=options) as door, \
            connect(door, ctx) as sock:
        line = door.says(" backend-down: ")
        found = metrics(str(place / "here.sock"))
        assert [found[f'mutual_backend_down{{backend="{http(backend)}"}}'] for backend in (one, two)] == [1, 0]
        assert f"the backend {http(one)} is left alone: GET /health was answered 500; hint: " in line
        assert sum(head.startswith(b"GET /health ") for head, _ in one.requests) == 2
        for _ in range(4):
            assert ask(sock, GET)[0] == 200
        assert (clients_of(one), clients_of(two)) == (0, 4)
        door.process.send_signal(signal.SIGHUP)
        door.says(" reloaded: ")
        with connect(door, ctx) as later:
            assert [ask(later, GET)[0] for _ in range(4)] == [200] * 4
        assert (clients_of(one), clients_of(two)) == (0, 8), "doors that take the place of others know what these knew"
        assert one.requests[0][0] == b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: mutual\r\n\r\n"
        sick[0] = True
        assert f"the backend {http(one)} is well again" in door.says(" backend-up: ")
        assert ask(sock, GET)[0] == 200 and clients_of(one) == 1
        assert door.stop() == 0


def test_if_no_backend_is_well_all_are_tried(ca, place, ctx):
    with Recorder(asked([False])) as backend, proxying(ca, place, backend, options=("--health-check", "/health", "--health-fall", "1")) as door, \
            connect(door, ctx) as sock:
        door.says(" backend-down: ")
        assert ask(sock, GET)[0] == 200


def test_a_backend_that_does_not_answer_when_asked_is_not_well(ca, place):
    held = threading.Event()
    options = ("--health-check", "/", "--health-interval", "1s", "--health-fall", "1")
    with Backend(lambda _: held.wait(WAIT)) as backend, proxying(ca, place, backend, options=options) as door:
        assert "GET / was not answered in time" in door.says(" backend-down: ")
        held.set()
    with proxying(ca, place, f"127.0.0.1:{free_port()}", options=options) as door:
        assert "cannot be reached (Connection refused): it is left alone" in door.says(" backend-avoided: ")
        assert "GET / backend-unreachable" in door.says(" backend-down: ")


def test_a_backend_that_comes_back_is_told_once(ca, place, ctx):
    port = free_port()
    with proxying(ca, place, f"127.0.0.1:{port}", options=("--workers", "1")) as door, connect(door, ctx) as sock:
        assert [ask(sock, GET)[0] for _ in range(5)] == [503] * 5
        assert f"http://127.0.0.1:{port} cannot be reached" in door.says(" backend-avoided: ")
        with Recorder() as recorder, socket.create_server(("127.0.0.1", port)) as there:
            threading.Thread(target=lambda: recorder._talk(there.accept()[0]), daemon=True).start()
            assert [ask(sock, GET)[0] for _ in range(3)] == [200] * 3
        assert f"the backend http://127.0.0.1:{port} answers again" in door.says(" backend-back: ")
        door.stop()
        assert "".join(door.log).count(" backend-avoided: ") == 1


def test_new_doors_ask_their_own_backends(ca, place):
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    with Recorder() as one, Recorder() as two:
        path = write_config(place / "mutual.yaml", door_text(to=http(one), health_check="/a", health_interval="1s"))
        with serve(path, ca) as door:
            until(lambda: one.requests)
            write_config(path, door_text(to=http(two), health_check="/b", health_interval="1s"))
            until(lambda: two.requests)
            assert two.requests[0][0].startswith(b"GET /b ")
            before = len(one.requests)
            until(lambda: len(two.requests) > 1)
            assert len(one.requests) == before
            assert door.stop() == 0


# --- Clients ---


def test_nobody_who_is_refused_reaches_the_backend(ca, mutual, place):
    mutual("init", home=place / "strange").ok()
    mutual("issue", "client", "stranger", home=place / "strange").ok()
    with Recorder() as backend, proxying(ca, place, backend) as door:
        refused(door, context(ca / "ca.crt"), "client-cert-missing")
        refused(door, context(ca / "ca.crt", place / "stranger.crt", place / "stranger.key"), "client-cert-ca-rekeyed")
        assert backend.accepted == 0
        with plain(door) as sock:
            sock.sendall(GET)
            assert read_all(sock)[0].startswith(b"HTTP/1.1 400 ")


def test_a_host_of_another_door_gets_421_and_no_backend(mutual, ca, place):
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    mutual("issue", "server", "a.example", "--out", "a").ok()
    with Recorder() as one, Recorder() as two:
        path = write_config(place / "mutual.yaml",
                            door_text(names=["a.example"], certificate="a.crt", key="a.key", to=http(one)),
                            door_text(to=http(two)))
        with serve(path, ca) as door:
            client = context(place / "ca.crt", place / "my-client.crt", place / "my-client.key")
            for request in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                            b"GET https://localhost/ HTTP/1.1\r\nHost: a.example\r\n\r\n"):
                with connect(door, client, "a.example") as sock:
                    assert ask(sock, request)[0] == 421
            with connect(door, client, "a.example") as sock:
                assert ask(sock, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")[0] == 200
            assert (len(one.requests), two.accepted) == (1, 0)


def test_a_client_that_leaves_is_told_to_the_backend(ca, place, ctx):
    def listen(sock):
        while sock.recv(65536):
            pass

    with Backend(listen) as backend, proxying(ca, place, backend, options=("--log", "requests")) as door:
        with connect(door, ctx) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf of it")
            until(lambda: backend.accepted == 1)
        until(lambda: backend.open == 0)
        assert isinstance(backend.errors[0], ConnectionResetError)
        assert " POST / 499 " in door.says(" client-gone")


def test_a_client_that_is_done_still_hears_the_answer(ca, place, ctx):
    held = threading.Event()

    def late(sock, _incoming, _head):
        held.wait(WAIT)
        sock.sendall(OK)

    with Recorder(late) as backend, proxying(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(GET)
        wire.end()
        until(lambda: backend.requests)
        held.set()
        data, error = read_all(wire)
        assert data.endswith(b"hello") and error is None


def test_a_head_and_a_body_that_do_not_come_are_408(ca, place, ctx):
    limits = ("--header-timeout", "1s", "--body-timeout", "1s")
    with Recorder() as backend, proxying(ca, place, backend, options=limits) as door, \
            connect(door, ctx) as sock, connect(door, ctx) as other:
        sock.sendall(HEAD)
        other.sendall(HEAD + b"Content-Length: 2\r\n\r\nx")
        assert read_answer(sock)[0] == 408
        assert read_all(sock) == (b"", None)
        assert read_answer(other)[0] == 408
        assert read_all(other) == (b"", None) and backend.requests == []


def test_a_stop_lets_the_answer_finish(ca, place, ctx):
    held = threading.Event()

    def late(sock, _incoming, _head):
        held.wait(WAIT)
        sock.sendall(OK)

    with Recorder(late) as backend, proxying(ca, place, backend) as door:
        idle = connect(door, ctx)
        with connect(door, ctx) as sock:
            sock.sendall(GET)
            until(lambda: backend.requests)
            door.signal()
            assert read_all(idle) == (b"", None), "nothing is under way there"
            held.set()
            status, headers, body = read_answer(sock)
            assert (status, body, headers["connection"]) == (200, b"hello", "close")
            assert read_all(sock) == (b"", None)
        idle.close()
        assert door.stop() == 0


def test_the_log_has_a_line_a_request(ca, place, ctx):
    request = b"POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    with Recorder() as backend, proxying(ca, place, backend, options=("--log", "requests")) as door:
        with connect(door, ctx) as sock:
            ask(sock, request)
        line = door.says(" request ")
        assert f' request "CN=my-client" DNS:my-client POST /a?b 200 HTTP/1.1 {http(backend)}, received 3, sent 5, ' in line
        assert line.endswith(" ms\n")
    with Recorder() as backend, proxying(ca, place, backend, options=("--log", "requests", "--json")) as door:
        with connect(door, ctx) as sock:
            ask(sock, request)
        event = json.loads(door.says('"request"'))
        assert {**event, "time": 0, "peer": 0, "milliseconds": 0} == {
            "time": 0, "event": "request", "peer": 0, "subject": "CN=my-client", "san": "DNS:my-client", "method": "POST",
            "path": "/a?b", "protocol": "HTTP/1.1", "status": 200, "backend": http(backend), "id": "", "cause": "",
            "received": 3, "sent": 5, "milliseconds": 0}


@pytest.mark.parametrize("options, words", [
    (["--to", "http://127.0.0.1:80/path"], ["more than the address of a backend", "without a path"]),
    (["--to", "http://127.0.0.1:0"], ["no port between 1 and 65535"]),
    (["--to", "h2c://127.0.0.1:80/path"], ["more than the address of a backend", "h2c://HOST:PORT, without a path"]),
    (["--to", "h2c://127.0.0.1:1", "--to", "http://127.0.0.1:2"], ["some are h2c: and some are http:"]),
    (["--to", "http://user@host"], ["more than the address of a backend"]),
    (["--to", "http://unix:"], ["has no path"]),
    (["--to", "http://127.0.0.1:80", "--to", "tcp://127.0.0.1:81"], ["some are http: and some are not"]),
    (["--to", "tcp://127.0.0.1:80", "--health-check", "/"], ["asks over HTTP"]),
    (["--to", "http://127.0.0.1:80", "--health-check", "health"], ["is not a path"]),
    (["--to", "http://127.0.0.1:80", "--health-check", "/a b"], ["is not a path"]),
    (["--to", "http://127.0.0.1:80", "--health-check", "/", "--health-fall", "0"], ["--health-fall"]),
    (["--to", "http://127.0.0.1:80", "--send-proxy", "v2"], ["one connection to it serves many clients"]),
])
def test_what_is_no_backend_stops_the_start(mutual, ca, place, options, words):
    mutual("serve", "--listen", "127.0.0.1:0", "--allow", "all", *options).refused(*words, code=2)
