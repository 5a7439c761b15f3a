"""`serve --to h2c:`: backends that speak HTTP/2 from the first byte on, gRPC among them."""
import contextlib
import json
import os
import queue
import re
import shutil
import struct
import subprocess
import threading

import pytest

import h2
from backend import Backend
from conftest import Mutual
from door import WAIT, Door, ask, connect, context
from test_http2 import client, curl, place  # noqa: F401

NODE = """
const http2 = require('http2');
const server = http2.createServer();
server.on('stream', (stream, headers) => {
  let trailers = {};
  stream.on('error', () => {});
  stream.on('trailers', (sent) => { trailers = sent; });
  if (headers[':path'] === '/grpc.Echo/Say') {
    stream.respond({':status': 200, 'content-type': 'application/grpc'}, {waitForTrailers: true});
    stream.on('wantTrailers', () => stream.sendTrailers({'grpc-status': '0', 'grpc-message': trailers['x-sum'] || ''}));
    stream.pipe(stream);
    return;
  }
  if (headers[':path'] === '/grpc.Echo/Fail') {
    stream.resume();
    stream.respond({':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5'}, {endStream: true});
    return;
  }
  let body = '';
  stream.on('data', (piece) => { body += piece; });
  stream.on('end', () => {
    if (headers.expect === undefined && headers['x-early'])
      stream.additionalHeaders({':status': 103, link: '</style.css>'});
    stream.respond({':status': headers[':method'] === 'PUT' ? 201 : 200, 'content-type': 'application/json', 'x-hop': '1'});
    stream.end(JSON.stringify({headers, body, trailers}));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.fixture
def ctx(place):  # noqa: F811
    return client(place)


@contextlib.contextmanager
def serving(place, url, *options):  # noqa: F811
    with Door(place, "--to", re.sub("^tcp:", "h2c:", url), "--log", "all", "--workers", "1", *options,
              home=place / "home") as door:
        yield door


@contextlib.contextmanager
def backend(place, asked, *options, settings=b""):  # noqa: F811
    """A door before a backend that does as `asked` says."""
    with Backend(lambda sock: h2.Server(sock, asked, settings)) as there, serving(place, there.url, *options) as door:
        door.backend = there
        yield door


def answer(server, stream):
    server.answer(stream)


# --- Node's, which knows the whole of it ---


@pytest.fixture(scope="module")
def node():
    if shutil.which("node") is None:
        pytest.skip("node is not here")
    with subprocess.Popen(["node", "-e", NODE], stdout=subprocess.PIPE, text=True) as process:
        yield f"tcp://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


def test_requests_of_either_version_arrive_as_http_2(place, node, ctx):  # noqa: F811
    with serving(place, node) as door:
        told, body = curl(place, door, "/a?b", "-d", "hello", "-H", "X-Mine: 1", "-H", "Client-Cert: evil")
        said = json.loads(body)
        assert told == "2 200" and said["body"] == "hello"
        assert said["headers"].items() >= {
            ":method": "POST", ":scheme": "http", ":path": "/a?b", ":authority": f"localhost:{door.port}", "x-mine": "1",
            "content-length": "5", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "via": "2 mutual"}.items()
        assert "client-cert" not in said["headers"] and "host" not in said["headers"]
        assert " POST /a?b 200 HTTP/2 h2c://127.0.0.1:" in door.says(" request ")

        with connect(door, ctx) as sock:
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nConnection: te, x-hop, upgrade\r\nUpgrade: websocket\r\nTE: trailers\r\n"
                         b"X-Hop: 1\r\nX-Early: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n")
            data = b""
            while b"0\r\n\r\n" not in data:
                data += sock.recv(65536)
        assert re.findall(rb"HTTP/1.*", data) == [b"HTTP/1.1 103 Early Hints\r", b"HTTP/1.1 201 Created\r"]
        said = json.loads(re.search(rb"\{.*\}", data).group())
        assert said["body"] == "abcde" and said["trailers"] == {"x-sum": "7"} and said["headers"]["te"] == "trailers"
        assert said["headers"]["via"] == "1.1 mutual"
        for hop in "connection", "upgrade", "x-hop", "transfer-encoding":
            assert hop not in said["headers"]
        assert " PUT / 201 HTTP/1.1 h2c://" in door.says(" request ")


def test_a_request_with_more_fields_than_can_be_said_is_refused_whole(place):  # noqa: F811
    """And not handed on without the last ones, which tell who the client is."""
    told, uris = [], sum((["--san", f"https://example.org/{i}"] for i in range(20)), [])
    Mutual(place / "home", place)("issue", "client", "many", *uris).ok()
    ctx = context(place / "ca.crt", place / "many.crt", place / "many.key")
    with Backend(lambda sock: h2.Server(sock, lambda server, stream: (told.append(server), server.answer(stream)))) as backend, \
            serving(place, backend.url, "--tell", "X-Client-URI") as door, connect(door, ctx) as sock:
        for lines, expected in (100, 200), (120, 502), (100, 200):
            status, _, body = ask(sock, "GET / HTTP/1.1\r\nHost: h\r\n" + "X-A: b\r\n" * lines + "\r\n")
            assert status == expected and (status == 200 or b"[backend-too-many-fields]" in body)
        assert len(told) == 2


def test_grpc_goes_through_with_its_trailers(place, node, ctx):  # noqa: F811
    message = b"\0" + struct.pack(">I", 5) + b"hello"
    with serving(place, node) as door, h2.Client(door, ctx) as conn:
        grpc = (("content-type", "application/grpc"), ("te", "trailers"))
        stream = conn.ask("POST", "/grpc.Echo/Say", *grpc, ended=False)
        assert h2.status_of(conn.until(h2.HEADERS, stream)[3]) == 200, "it begins before the request has ended"
        for _ in range(3):  # a message there and back, and again
            conn.send(h2.frame(h2.DATA, 0, stream, message))
            assert conn.until(h2.DATA, stream)[3] == message
        conn.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, h2.field("x-sum", "42")))
        kind, flags, _, block = conn.read()
        while kind == h2.DATA:
            kind, flags, _, block = conn.read()
        assert kind == h2.HEADERS and flags & h2.END_STREAM and len(block) > 20

        told, body = curl(place, door, "/grpc.Echo/Say", "-i", "-H", "content-type: application/grpc", "-d", "x")
        assert told == "2 200" and b"grpc-status: 0\r\n" in body.split(b"\r\n\r\n", 1)[1]
        # Without a body: curl 7.88 loses an answer that is over before its request is.
        told, body = curl(place, door, "/grpc.Echo/Fail", "-i")
        assert told == "2 200" and b"\r\ngrpc-status: 5\r\n" in body
        told, body = curl(place, door, "/grpc.Echo/Say", "-i", "--http1.1", "-d", "x")
        assert told == "1.1 200" and b"grpc-status: 0\r\n" in body.split(b"\r\n\r\n", 1)[1]


def test_large_bodies_go_both_ways(place, node):  # noqa: F811
    (place / "upload").write_bytes(os.urandom(3_000_000))
    with serving(place, node) as door:
        for version in "--http2", "--http1.1":
            _, body = curl(place, door, "/grpc.Echo/Say", version, "-H", "Expect:", "--data-binary", "@upload")
            assert body == (place / "upload").read_bytes()


# --- One made by hand, which does what it likes ---


def test_clients_share_a_connection_and_a_full_one_is_not_the_last(place, ctx):  # noqa: F811
    waiting, go_on = queue.Queue(), threading.Event()

    def hold(server, stream):
        waiting.put((server, stream))
        if go_on.is_set():
            server.answer(stream)

    two_at_once = struct.pack(">HI", 3, 2)
    with backend(place, hold, settings=two_at_once) as door, contextlib.ExitStack() as stack:
        conns = [stack.enter_context(h2.Client(door, ctx)) for _ in range(2)]
        streams = [conns[0].ask()]
        held = [waiting.get(timeout=WAIT)]
        streams.append(conns[1].ask())
        held.append(waiting.get(timeout=WAIT))
        assert door.backend.accepted == 1 and held[0][0] is held[1][0] and held[0][1] != held[1][1]
        third = conns[0].ask()
        held.append(waiting.get(timeout=WAIT))
        assert door.backend.accepted == 2
        for server, stream in held:
            server.answer(stream)
        assert conns[0].until(h2.DATA)[3] == b"hello" and conns[1].answer(streams[1])[:2] == (200, b"hello")
        assert third > streams[0]
        go_on.set()
        for _ in range(3):
            assert conns[0].answer(conns[0].ask())[:2] == (200, b"hello")
        assert door.backend.accepted == 2, "they were kept"


def test_what_was_refused_untouched_is_asked_again_whatever_it_is(place, ctx):  # noqa: F811
    asked = []

    def twice_refused(server, stream):
        asked.append(stream)
        if len(asked) <= 2:
            server.refuse(stream)
        else:
            server.answer(stream)

    def always(server, stream):
        asked.append(stream)
        server.refuse(stream)

    with backend(place, twice_refused) as door, h2.Client(door, ctx) as conn:
        stream = conn.ask("POST", "/", ended=False)
        conn.send(h2.frame(h2.DATA, h2.END_STREAM, stream, b"abc"))
        assert conn.answer(stream)[:2] == (200, b"hello") and len(asked) == 3 and door.backend.accepted == 1
    asked.clear()
    with backend(place, always) as door, h2.Client(door, ctx) as conn:
        status, body, _ = conn.answer(conn.ask())
        assert status == 503 and body.endswith(b"[backend-refused]\n") and len(asked) == 4
        door.says(" backend-refused")


def test_a_backend_that_says_goodbye_loses_no_request(place, ctx):  # noqa: F811
    seen = []

    def leave(server, stream):
        seen.append(server)
        if len(seen) == 1:  # it has done nothing with it
            server.go_away(0)
        elif len(seen) == 2:  # this one it will answer, but no more
            server.go_away(stream)
            server.answer(stream)
        else:
            server.answer(stream)

    with backend(place, leave) as door, h2.Client(door, ctx) as conn:
        stream = conn.ask("POST", "/", ended=False)
        conn.send(h2.frame(h2.DATA, h2.END_STREAM, stream, b"abc"))
        assert conn.answer(stream)[:2] == (200, b"hello")
        assert conn.answer(conn.ask())[:2] == (200, b"hello")
        assert len(seen) == 3 and len(set(map(id, seen))) == 3 and door.backend.accepted == 3


def test_a_connection_that_is_lost_is_told_from_one_that_was_stale(place, ctx):  # noqa: F811
    asked = []

    def second_is_lost(server, stream):
        asked.append(stream)
        if len(asked) in (2, 5):
            server.over = True
        else:
            server.answer(stream)

    with backend(place, second_is_lost) as door, h2.Client(door, ctx) as conn:
        assert conn.answer(conn.ask())[0] == 200
        assert conn.answer(conn.ask())[0] == 200, "a GET is asked again: the connection may have been kept for too long"
        assert conn.answer(conn.ask())[0] == 200 and len(asked) == 4
        stream = conn.ask("POST", "/", ended=False)
        conn.send(h2.frame(h2.DATA, h2.END_STREAM, stream, b"abc"))
        status, body, _ = conn.answer(stream)
        assert status == 502 and b"[backend-closed]" in body and len(asked) == 5, "a POST may have been done"


def test_a_connection_whose_other_end_has_vanished_is_given_to_nobody_else(place, ctx):  # noqa: F811
    """The kernel would take a quarter of an hour to find that out."""
    first = []

    def vanish(server, stream):
        if not first:
            first.append(server)
        elif server is first[0]:
            return
        server.answer(stream)

    with backend(place, vanish, "--read-timeout", "1s") as door, connect(door, ctx) as sock:
        get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        assert [ask(sock, get)[0] for _ in range(4)] == [200, 504, 200, 200]
        assert door.backend.accepted == 2

    first.clear()
    options = ("--health-check", "/", "--health-interval", "1s", "--health-fall", "1", "--health-rise", "1")
    with backend(place, vanish, *options) as door:
        assert "not answered in time" in door.says(" backend-down: ")
        door.says(" backend-up: ")


def test_what_is_no_answer_is_none(place, ctx):  # noqa: F811
    def no_http_2(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    def half(server, stream):
        server.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, b"\x88") + h2.frame(h2.DATA, 0, stream, b"half"))
        server.refuse(stream, h2.INTERNAL_ERROR)

    def switched(server, stream):
        server.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.field(":status", "101")))

    with Backend(no_http_2) as there, serving(place, there.url) as door, h2.Client(door, ctx) as conn:
        status, body, _ = conn.answer(conn.ask())
        assert status == 502 and b"[backend-no-http2]" in body
    with backend(place, half) as door, h2.Client(door, ctx) as conn:
        assert conn.until(h2.RST_STREAM, conn.ask())[3] == struct.pack(">I", h2.INTERNAL_ERROR)
    with backend(place, switched) as door, h2.Client(door, ctx) as conn:
        assert conn.answer(conn.ask())[0] == 502


def test_a_slow_reader_holds_up_its_stream_and_nobody_else_s(place, ctx):  # noqa: F811
    ended = threading.Event()

    def flood(server, stream):
        if stream > 39:
            server.answer(stream)
            return
        server.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, b"\x88"))
        for _ in range(3 if stream == 1 else 4):  # as much as it may: a stream's window is 64 KiB
            server.send(h2.frame(h2.DATA, 0, stream, bytes(16383)))
        if stream == 39:
            ended.set()

    with backend(place, flood) as door, h2.Client(door, ctx, window=1000) as conn, h2.Client(door, ctx) as other:
        streams = [conn.ask() for _ in range(20)]
        assert conn.until(h2.DATA, streams[0]) and ended.wait(WAIT)
        for asker in (conn, other):
            for _ in range(3):
                assert asker.answer(asker.ask())[:2] == (200, b"hello")
        assert door.backend.accepted == 1


def test_a_client_that_takes_a_request_back_is_heard_at_the_backend(place, ctx):  # noqa: F811
    codes = queue.Queue()

    class Watching(h2.Server):
        def _count(self, wanted):
            taken = super()._count(wanted)
            if wanted == 9 and taken is not None and taken[3] == h2.RST_STREAM:
                codes.put(super()._count(4))
                self.data = b"\0\0\0\0" + self.data
            return taken

    begun = threading.Event()
    with Backend(lambda sock: Watching(sock, lambda *_: begun.set())) as there, serving(place, there.url) as door, \
            h2.Client(door, ctx) as conn:
        stream = conn.ask()
        assert begun.wait(WAIT)
        conn.send(h2.frame(h2.RST_STREAM, 0, stream, struct.pack(">I", h2.CANCEL)))
        assert codes.get(timeout=WAIT) == struct.pack(">I", h2.CANCEL)
        door.says(" client-gone")
        assert there.accepted == 1


def test_whether_it_is_well_is_asked_in_http_2_too(place, ctx):  # noqa: F811
    ill = threading.Event()

    def sometimes(server, stream):
        if ill.is_set():
            server.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, b"\x8e"))
        else:
            server.answer(stream)

    with backend(place, sometimes, "--health-check", "/well", "--health-interval", "1s") as door:
        ill.set()
        assert "was answered 500" in door.says(" backend-down")
        ill.clear()
        assert "was answered 200" in door.says(" backend-up")
        with h2.Client(door, ctx) as conn:
            assert conn.answer(conn.ask())[0] == 200


def test_a_server_that_stops_takes_leave_of_its_backends(place, ctx):  # noqa: F811
    with backend(place, answer) as door:
        with h2.Client(door, ctx) as conn:
            assert conn.answer(conn.ask())[0] == 200
        assert door.stop() == 0
        assert not door.backend.errors
