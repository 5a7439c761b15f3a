"""All the ways in which a client can be inside, for scenarios in which it has to leave: doors over Unix sockets in `place`."""
import base64
import hashlib
import os
import re
import socket
import ssl
import threading

import h2
from door import WAIT, ask
from made_config import door_text

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = b"GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
ABOVE = "workers: 1\nstatus: unix:status\n"
NAMES = ("answer", "http", "tcp")  # of the doors, and their sockets


def doors(halting, echoing, **more):
    """One that answers itself, one before a Halting backend, one that carries bytes to one that echoes."""
    where = {"answer": None, "http": halting.url.replace("tcp:", "http:"), "tcp": echoing.url}
    return [door_text(f"unix:{name}", **({} if to is None else {"to": to}), **more)
            for name, to in where.items()]


def put(target, source):
    """Replace it by a rename."""
    new = target.with_suffix(".new")
    new.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    os.rename(new, target)


def over(place, name, ctx, session=None):
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(WAIT)
    raw.connect(str(place / name))
    ctx.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end is one that was said in TLS, and a socket's is an error
    return ctx.wrap_socket(raw, server_hostname="localhost", session=session, suppress_ragged_eofs=False)


class Halting:
    """A backend for HTTP: /slow says half of its answer, and the rest when it may; /upgrade becomes an echo."""

    def __init__(self):
        self.may_end, self.half_said = threading.Event(), threading.Event()

    def __call__(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if not piece:
                return
            head += piece
        if b"/upgrade" in head:
            key = re.search(rb"(?i)\r\nsec-websocket-key: (\S+)", head)
            accept = base64.b64encode(hashlib.sha1((key.group(1) if key else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
            while data := sock.recv(65536):
                sock.sendall(data)
            return
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nhalf")
        self.half_said.set()
        if b"/never" in head:
            sock.recv(1)
            return
        assert self.may_end.wait(WAIT)
        sock.sendall(b"rest")


class Inside:
    """HTTP/1.1 at rest, and without a request yet, with an answer under way, and one that never ends; HTTP/2 with an answer under
    way, and a WebSocket; a WebSocket; and TCP. `sessions` has one of each door."""

    def __init__(self, place, ctx, halting, stack):
        self.idle = stack.enter_context(over(place, "answer", ctx))
        assert ask(self.idle, GET)[0] == 200
        self.fresh = stack.enter_context(over(place, "answer", ctx))
        self.tcp = stack.enter_context(over(place, "tcp", ctx))
        self.tcp.sendall(b"x")
        assert self.tcp.recv(1) == b"x"
        self.upgraded = stack.enter_context(over(place, "http", ctx))
        self.upgraded.sendall(UPGRADE)
        assert self.upgraded.recv(65536).startswith(b"HTTP/1.1 101 ")
        ctx.set_alpn_protocols(["h2"])
        self.h2 = h2.Client(stack.enter_context(over(place, "http", ctx)), None)
        self.h2_upgraded = self.h2.ask("CONNECT", "/upgrade", (":protocol", "websocket"), ("sec-websocket-version", "13"), ended=False)
        assert self.echoes(b"x")
        self.h2_slow = self.h2.ask(path="/slow")
        assert self.h2.until(h2.DATA, self.h2_slow)[3] == b"half"
        ctx.set_alpn_protocols(["http/1.1"])
        self.slow, self.never = (self._begin(place, ctx, path, halting, stack) for path in ("slow", "never"))
        self.sessions = {"answer": self.idle.session, "http": self.upgraded.session, "tcp": self.tcp.session}

    COUNT = 7

    def echoes(self, data):
        """The WebSocket within HTTP/2."""
        self.h2.send(h2.frame(h2.DATA, 0, self.h2_upgraded, data))
        return self.h2.until(h2.DATA, self.h2_upgraded)[3] == data

    @staticmethod
    def _begin(place, ctx, path, halting, stack):
        sock = stack.enter_context(over(place, "http", ctx))
        halting.half_said.clear()
        sock.sendall(b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
        assert halting.half_said.wait(WAIT)
        return sock
