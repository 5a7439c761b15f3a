"""WebSocket over HTTP/2: a stream of the client's, and an upgraded connection of HTTP/1.1 to the backend. [RFC 8441]"""
import base64
import contextlib
import hashlib
import os
import queue
import re
import shutil
import signal
import struct
import subprocess
import threading

import pytest

import h2
from backend import Backend, reset
from door import WAIT, context
from made_config import door_text, serve, write_config

ENABLE_CONNECT_PROTOCOL = 8
CANCEL = struct.pack(">I", h2.CANCEL)
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Keep-Alive, Upgrade\r\n"


class Service(Backend):
    """What it does is in the path: a WebSocket that echoes, or something else."""

    def __init__(self):
        self.may_switch, self.flooded = threading.Event(), 0
        self.begin()
        super().__init__(self._talk)

    def begin(self):
        """Forget what was asked and said before."""
        self.heads, self.said, self.ends = queue.Queue(), queue.Queue(), queue.Queue()

    def _talk(self, sock, head=b""):
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if not piece:
                return
            head += piece
        head, early = head.split(b"\r\n\r\n", 1)
        self.heads.put(head)
        path, key = head.split(b" ")[1], re.search(rb"\r\nSec-WebSocket-Key: (.*?)\r\n", head + b"\r\n")
        if path == b"/held":
            self.said.put(b"asked")
            assert self.may_switch.wait(WAIT)
        if path in (b"/no", b"/deaf"):
            status = b"403 Forbidden" if path == b"/no" else b"200 OK"
            sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: 5\r\n\r\nsorry" % status)
            self._talk(sock, early)
            return
        accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        if path == b"/lie":
            accept = accept[::-1]
        sock.sendall(UPGRADED + b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: `~~|`\r\n\r\nwelcome ")
        if path == b"/flood":
            with contextlib.suppress(OSError):
                while self.flooded < 2000:
                    sock.sendall(bytes(65536))
                    self.flooded += 1
        self._echo(sock, early)

    def _echo(self, sock, data):
        try:
            while True:
                sock.sendall(data)
                data = sock.recv(65536)
                if not data:
                    sock.sendall(b" bye")
                    self.ends.put("end")
                    return
                if data == b"die":
                    reset(sock)
                    return
        except OSError as error:
            self.ends.put(type(error).__name__)


@pytest.fixture(scope="module")
def place(shared_place):
    (shared_place / "www").mkdir()
    return shared_place


@pytest.fixture(scope="module")
def backend():
    with Service() as service:
        yield service


@pytest.fixture
def service(backend):
    backend.begin()
    return backend


@pytest.fixture(scope="module")
def door(place, backend):
    to = backend.url.replace("tcp:", "http:")
    routes = [{"path": "/private", "allow": "cn=nobody"}, {"path": "/grpc", "allow": "all", "to": "h2c://127.0.0.1:1"},
              {"path": "/posts", "method": "POST", "allow": "all"}]
    config = write_config(place / "mutual.yaml", door_text(to=to, routes=routes, log="all", limits={"max_body_size": "1KiB"}),
                          above=f"workers: 1\ncontrol: {place}/control\nstop_timeout: 1s\n")
    with serve(config, place / "home") as door:
        yield door


@pytest.fixture
def ctx(place):
    return context(place / "ca.crt", place / "my-client.crt", place / "my-client.key")


def ask(conn, path="/chat", *more, protocol="websocket", ended=False):
    return conn.ask("CONNECT", path, (":protocol", protocol), ("sec-websocket-version", "13"), *more, ended=ended)


class Bytes:
    """What a stream carries; its sender is let go on as it is read."""

    def __init__(self, conn, stream):
        self.conn, self.stream, self.data, self.ended = conn, stream, b"", False
        self.headers = conn.until(h2.HEADERS, stream)
        self.status = h2.status_of(self.headers[3])

    def send(self, data, ended=False):
        pieces = [data[i:i + 16384] for i in range(0, len(data), 16384)] or [b""]
        for piece in pieces:
            self.conn.send(h2.frame(h2.DATA, h2.END_STREAM if ended and piece is pieces[-1] else 0, self.stream, piece))

    def until(self, end):
        while not self.data.endswith(end) and not self.ended:
            _, flags, _, payload = self.conn.until(h2.DATA, self.stream)
            self.data += payload
            self.ended = bool(flags & h2.END_STREAM)
            if payload:
                more = struct.pack(">I", len(payload))
                self.conn.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, more) + h2.frame(h2.WINDOW_UPDATE, 0, self.stream, more))
        taken, self.data = self.data, b""
        return taken


def test_a_stream_becomes_a_websocket(door, ctx, service):
    with h2.Client(door, ctx) as conn:
        socket = Bytes(conn, ask(conn, "/chat?a", ("sec-websocket-protocol", "chat"), ("sec-websocket-key", "mine"),
                                 ("x-real-ip", "evil")))
        assert conn.offered[ENABLE_CONNECT_PROTOCOL] == 1
        assert socket.status == 200 and b"`~~|`" in socket.headers[3] and not socket.headers[1] & h2.END_STREAM
        head = service.heads.get(timeout=WAIT)
        assert re.fullmatch(
            rb"GET /chat\?a HTTP/1.1\r\nHost: localhost\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n"
            rb"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: [A-Za-z0-9+/]{22}==\r\n"
            rb"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=127.0.0.1;proto=https;"
            rb"host=\"localhost\"\r\nX-Forwarded-Host: localhost\r\nVia: 2 mutual", head), head
        assert socket.until(b"welcome ") == b"welcome "
        for piece in (b"\0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(60000)):
            socket.send(piece)
            assert socket.until(piece[-20:]) == piece
        assert conn.answer(conn.ask(path="/no"))[:2] == (403, b"sorry"), "beside others on the connection"
        socket.send(b"", ended=True)
        assert socket.until(b" bye") == b" bye" and (socket.ended or socket.until(b"x") == b"") and socket.ended
        line = door.says(" GET /chat?a 101 HTTP/2 ")
        assert "received 60023, sent 60035" in line


def test_a_reset_of_either_end_is_one_for_the_other(door, ctx, service):
    with h2.Client(door, ctx) as conn:
        socket = Bytes(conn, ask(conn))
        assert socket.until(b"welcome ")
        conn.send(h2.frame(h2.RST_STREAM, 0, socket.stream, CANCEL))
        assert service.ends.get(timeout=WAIT) == "ConnectionResetError"
        assert " 101 HTTP/2 " in door.says(" client-reset")
        socket = Bytes(conn, ask(conn))
        assert socket.until(b"welcome ")
        socket.send(b"die")
        assert conn.until(h2.RST_STREAM, socket.stream)[3] == CANCEL
        assert " 101 HTTP/2 " in door.says(" backend-closed")
        gone = Bytes(conn, ask(conn))
        assert gone.until(b"welcome ")
    assert service.ends.get(timeout=WAIT) == "ConnectionResetError", "and so does a connection that goes"


def test_nothing_is_said_to_the_backend_before_it_has_agreed(door, ctx, service):
    """What would be read as another request there, if it has not."""
    with h2.Client(door, ctx) as conn:
        stream = ask(conn, "/no")
        conn.send(h2.frame(h2.DATA, 0, stream, b"GET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert conn.answer(stream)[:2] == (403, b"sorry")
        stream = ask(conn, "/held")
        conn.send(h2.frame(h2.DATA, 0, stream, b"early ") + h2.frame(h2.DATA, h2.END_STREAM, stream, b"bird"))
        assert service.said.get(timeout=WAIT) == b"asked"
        service.may_switch.set()
        socket = Bytes(conn, stream)
        assert socket.until(b" bye") == b"welcome early bird bye"
        assert service.ends.get(timeout=WAIT) == "end"
        assert [head.split()[1] for head in service.heads.queue] == [b"/no", b"/held"]


@pytest.mark.parametrize("path, protocol, status, words", [
    ("/lie", "websocket", 502, "backend-bad-answer"), ("/deaf", "websocket", 502, "backend-no-upgrade"),
    ("/chat", "connect-udp", 501, "bad-request"), ("/grpc", "websocket", 501, "bad-request"),
    ("/private", "websocket", 403, "access-not-allowed")])
def test_what_is_no_websocket_is_an_answer(door, ctx, path, protocol, status, words):
    with h2.Client(door, ctx) as conn:
        stream = ask(conn, path, protocol=protocol)
        conn.send(h2.frame(h2.DATA, 0, stream, b"early"))
        assert conn.answer(stream)[0] == status
        assert words in door.says(words if path == "/private" else f" GET {path} {status} HTTP/2 ")


@pytest.mark.parametrize("block", [
    h2.fields("GET", "/chat") + h2.field(":protocol", "websocket"),
    h2.fields("GET", "/chat", (":protocol", "websocket")),
    h2.field(":method", "CONNECT") + h2.field(":authority", "localhost") + h2.field(":protocol", "websocket")],
    ids=["behind-the-fields", "with-another-method", "without-a-path"])
def test_malformed_requests_for_one_are_reset(door, ctx, block):
    with h2.Client(door, ctx) as conn:
        conn.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block))
        assert conn.until(h2.RST_STREAM, 1)[3] == struct.pack(">I", h2.PROTOCOL_ERROR)


def test_it_is_offered_only_where_it_can_be_had(place, ctx):
    """And who asks nevertheless is malformed to us."""
    config = write_config(place / "files.yaml", door_text(files="www"))
    with serve(config, place / "home") as door, h2.Client(door, ctx) as conn:
        assert conn.until(h2.RST_STREAM, ask(conn))[3] == struct.pack(">I", h2.PROTOCOL_ERROR)
        assert ENABLE_CONNECT_PROTOCOL not in conn.offered
        assert conn.answer(conn.ask())[0] == 404


def test_an_end_that_does_not_read_stops_the_other(door, ctx, service):
    with h2.Client(door, ctx, window=1000) as conn:
        socket = Bytes(conn, ask(conn, "/flood"))
        assert socket.status == 200 and conn.until(h2.DATA, socket.stream)
        before = -1
        while service.flooded != before:  # until it stands still, for as long as others have their answers
            before = service.flooded
            for _ in range(5):
                assert conn.answer(conn.ask(path="/no"))[0] == 403
        assert service.flooded < 200


def test_it_ends_with_the_server_and_with_who_is_kicked_out(door, ctx, mutual, place, service):
    with h2.Client(door, ctx) as his, h2.Client(door, ctx) as other:
        socket, stays = Bytes(his, ask(his)), Bytes(other, ask(other))
        assert socket.until(b"welcome ") and stays.until(b"welcome ")
        door.signal(signal.SIGTERM)
        for one in (socket, stays):
            assert one.conn.until(h2.GOAWAY)
            one.send(b"still here")
            assert one.until(b"here") == b"still here"
        mutual("kick", "my-client", "--socket", place / "control").ok()
        assert his.until(h2.RST_STREAM, socket.stream)[3] == CANCEL
        assert " 101 HTTP/2 " in door.says(" expelled, received ")
        other.sock.close()
        assert door.stop() == 0


def test_silence_ends_it_where_a_limit_says_so(place, ctx, service):
    config = write_config(place / "idle.yaml", door_text(to=service.url.replace("tcp:", "http:"), idle_timeout="1s", log="all"))
    with serve(config, place / "home") as door, h2.Client(door, ctx) as conn:
        socket = Bytes(conn, ask(conn))
        assert conn.until(h2.RST_STREAM, socket.stream)[3] == CANCEL
        assert " 101 HTTP/2 " in door.says(" idle")


NODE = """
const client = require('http2').connect(process.argv[1], {ca: read('ca.crt'), cert: read('my-client.crt'), key: read('my-client.key'),
                                                         family: 4});
function read(name) { return require('fs').readFileSync(name); }
client.on('remoteSettings', settings => {
  if (!settings.enableConnectProtocol) process.exit(3);
  const stream = client.request({':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', 'sec-websocket-version': '13'});
  stream.on('response', headers => { console.log(headers[':status'], Object.keys(headers).sort().join()); stream.end('from node'); });
  stream.on('data', data => process.stdout.write(data));
  stream.on('end', () => client.close());
});
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not here")
def test_node_speaks_it_with_us(place, service):
    config = write_config(place / "node.yaml", door_text(to=service.url.replace("tcp:", "http:")))
    with serve(config, place / "home") as door:
        done = subprocess.run(["node", "-e", NODE, door.url], cwd=place, capture_output=True, text=True, timeout=WAIT, check=False)
        assert (done.returncode, done.stdout) == (0, "200 :status,sec-websocket-protocol\nwelcome from node bye"), done.stderr
