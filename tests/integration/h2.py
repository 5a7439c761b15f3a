"""HTTP/2 by hand, for the scenarios: frames over TLS, as a client that does what it likes with them. [RFC 9113, 7541]"""
import struct

from door import connect

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 1
END_HEADERS = 4
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 8, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUSES = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    """A literal, neither indexed nor compressed."""
    name, value = name.encode(), value.encode()
    assert len(name) < 127 and len(value) < 127
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def fields(method="GET", path="/", *more, authority="localhost"):
    return b"".join(field(name, value) for name, value in (
        (":method", method), (":scheme", "https"), (":path", path), (":authority", authority), *more))


def digits(data):
    """Three digits, in HPACK's Huffman code."""
    bits, text = "".join(f"{byte:08b}" for byte in data), ""
    while len(text) < 3:
        length = 5 if bits[:5] in ("00000", "00001", "00010") else 6
        code, bits = int(bits[:length], 2), bits[length:]
        text += str(code if length == 5 else code - 22)
    return int(text)


def status_of(block):
    """Of a response whose first field this is; the client must have forbidden a dynamic table."""
    while block[0] >> 5 == 1:  # the table's size is told first
        block = block[1:]
    if block[0] in STATUSES:
        return STATUSES[block[0]]
    assert block[0] & 0x0f == 8, block
    return digits(block[2:]) if block[1] & 0x80 else int(block[2:2 + block[1]])


class Client:
    """One connection. `window`: what a stream's answer may take before it is told to go on; without `ctx`, `door` is a socket with
    TLS on it."""

    def __init__(self, door, ctx, window=65535, name="localhost", settings=b"", greet=True):
        if ctx is not None:
            ctx.set_alpn_protocols(["h2"])
        self.sock = door if ctx is None else connect(door, ctx, name)
        assert self.sock.selected_alpn_protocol() == "h2"
        self.data, self.next, self.offered = b"", 1, {}
        if greet:
            self.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, window) + settings))

    def send(self, data):
        self.sock.sendall(data)

    def ask(self, method="GET", path="/", *more, ended=True, **options):
        stream, self.next = self.next, self.next + 2
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if ended else 0), stream,
                        fields(method, path, *more, **options)))
        return stream

    def read(self):
        """The next frame but those about the connection's settings and windows: (kind, flags, stream, payload); None at the end."""
        while True:
            while len(self.data) < 9 or len(self.data) < 9 + int.from_bytes(self.data[:3], "big"):
                try:
                    piece = self.sock.recv(65536)
                except OSError:
                    piece = b""
                if not piece:
                    return None
                self.data += piece
            length = int.from_bytes(self.data[:3], "big")
            kind, flags, stream = self.data[3], self.data[4], int.from_bytes(self.data[5:9], "big")
            payload, self.data = self.data[9:9 + length], self.data[9 + length:]
            if kind == SETTINGS and not flags & ACK:
                self.offered.update(struct.iter_unpack(">HI", payload))
                self.send(frame(SETTINGS, ACK))
            elif kind not in (SETTINGS, WINDOW_UPDATE):
                return kind, flags, stream, payload

    def until(self, kind, stream=None):
        """The first such frame; what comes before it is dropped."""
        while (found := self.read()) is not None:
            if found[0] == kind and stream in (None, found[2]):
                return found
        raise AssertionError(f"the connection ended without a frame of kind {kind}")

    def answer(self, stream, window=False):
        """(status, body, the trailers' block); a reset is an error. `window`: let the sender go on."""
        status, body, trailers = None, b"", None
        while (found := self.read()) is not None:
            kind, flags, where, payload = found
            if where != stream:
                continue
            assert kind in (HEADERS, DATA), f"a frame of kind {kind} on the stream: {payload!r}"
            if kind == HEADERS and status is None:
                status = status_of(payload)
                if 100 <= status < 200:
                    status = None
            elif kind == HEADERS:
                trailers = payload
            else:
                body += payload
                if window and payload:
                    more = struct.pack(">I", len(payload))
                    self.send(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, stream, more))
            if flags & END_STREAM:
                return status, body, trailers
        raise AssertionError("the connection ended before the answer did")

    def farewell(self):
        """The rest of the connection: the GOAWAYs (last stream, code) until it is closed."""
        said = []
        while (found := self.read()) is not None:
            if found[0] == GOAWAY:
                said.append(struct.unpack(">II", found[3][:8]))
            if found[0] == PING and not found[1] & ACK:
                try:
                    self.send(frame(PING, ACK, 0, found[3]))
                except OSError:
                    pass
        return said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


class Server:
    """A backend's side of a connection: `asked(server, stream)` for each request that has been heard whole."""

    def __init__(self, sock, asked, settings=b""):
        self.sock, self.data, self.over = sock, b"", False
        self._count(len(PREFACE))
        self.send(frame(SETTINGS, 0, 0, settings))
        while not self.over:
            head = self._count(9)
            if head is None:
                return
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
            payload = self._count(int.from_bytes(head[:3], "big"))
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, payload))
            elif kind in (HEADERS, DATA) and flags & END_STREAM:
                asked(self, stream)

    def _count(self, wanted):
        while len(self.data) < wanted:
            try:
                piece = self.sock.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                return None
            self.data += piece
        taken, self.data = self.data[:wanted], self.data[wanted:]
        return taken

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, stream, body=b"hello", trailers=b""):
        self.send(frame(HEADERS, END_HEADERS, stream, b"\x88"))
        self.send(frame(DATA, 0 if trailers else END_STREAM, stream, body))
        if trailers:
            self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers))

    def refuse(self, stream, code=REFUSED_STREAM):
        self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def go_away(self, last):
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", last, NO_ERROR)))
