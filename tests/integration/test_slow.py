"""Clients that are slow on purpose, as slowhttptest's are: what they get for it, and that nobody else waits."""
import contextlib
import select
import socket

import h2
from door import WAIT, ask, connect, plain
from made_config import client, door_text, serve, write_config
from test_proxy import OK, Recorder

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
GET = HEAD + b"\r\n"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + bytes(10_000_000)
MANY = 6  # of each kind


def answer(sock, _incoming, head):
    sock.sendall(BIG if b"/big" in head else OK)


class Slow:
    """One of them: `begin` at once, then `piece` now and then, which may be nothing; and nothing is ever read."""

    def __init__(self, sock, begin, piece):
        self.sock, self.piece = sock, piece
        sock.sendall(begin)

    def drip(self):
        with contextlib.suppress(OSError):
            self.sock.sendall(self.piece)


def narrow(door, ctx):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(WAIT)
    sock.connect(("127.0.0.1", door.port))
    return ctx.wrap_socket(sock, server_hostname="localhost")


def over_h2(door, ctx, begin, piece=b"", window=65535):
    return Slow(h2.Client(door, ctx, window=window).sock, begin, piece)


def kinds(door, http_1, http_2):
    """What begins one, by what it is slow with: first whom the door shows out, in a second here."""
    block = h2.fields("POST", "/")
    return {
        "a handshake": lambda: Slow(plain(door), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"a"),
        "a head": lambda: Slow(connect(door, http_1), HEAD + b"X: ", b"a"),
        "reading": lambda: Slow(narrow(door, http_1), b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
        "a frame of a head": lambda: over_h2(door, http_2, h2.frame(h2.HEADERS, 5, 1, bytes(1000))[:9], b"\x40"),
        "a head in frames": lambda: over_h2(door, http_2, h2.frame(h2.HEADERS, 0, 1, block)),
    }, {
        "opening its window": lambda: over_h2(door, http_2, h2.frame(h2.HEADERS, 5, 1, h2.fields("GET", "/big")), window=1),
        "a body": lambda: Slow(connect(door, http_1), b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", b"a"),
        "a body in frames": lambda: over_h2(door, http_2, h2.frame(h2.HEADERS, h2.END_HEADERS, 1, block),
                                            h2.frame(h2.DATA, 0, 1, b"a")),
    }


def test_who_is_slow_holds_up_nobody_else(shared_place):
    """A head and a handshake have their time however they drip, bodies and readers as long as they move."""
    http_1, http_2 = client(shared_place), client(shared_place)
    limits = {f"{name}_timeout": "1s" for name in ("handshake", "header", "write")}
    with Recorder(answer) as backend:
        config = write_config(shared_place / "mutual.yaml", door_text(to=backend.url.replace("tcp:", "http:"), log="all", **limits))
        with serve(config, shared_place / "home") as door, connect(door, http_1) as other, h2.Client(door, http_2) as other_h2:
            out, stay = ([begin() for begin in some.values() for _ in range(MANY)] for some in kinds(door, http_1, http_2))
            poll = select.poll()
            inside = {one.sock.fileno(): one for one in out + stay}
            for number in inside:
                poll.register(number, select.POLLRDHUP)
            while len(inside) > len(stay) or "".join(door.log).count(" client-slow") < MANY:
                assert ask(other, GET)[0] == 200 and other_h2.answer(other_h2.ask())[0] == 200
                for one in inside.values():
                    one.drip()
                for number, _ in poll.poll(50):
                    poll.unregister(number)
                    del inside[number]
            assert list(inside.values()) == stay
            for one in out + stay:
                one.sock.close()
        text = "".join(door.log)
        assert text.count(" refused handshake-timeout") == text.count(" - 408 HTTP/1.1 ") == MANY
