"""A running `mutual serve`, and clients made of Python's own ssl, for the scenarios."""
import contextlib
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

BINARY = os.environ.get("MUTUAL", "mutual")
# With AddressSanitizer: a sandbox leaves it what it needs, and some libraries are not loaded beside it.
SANITIZED = os.path.isfile(BINARY) and b"__asan_init" in open(BINARY, "rb").read()
WAIT = 20  # seconds: how long anything may take before a test fails; nothing is asserted about time


def until(condition):
    """Wait for something that is certain to come."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.01)


HELD = []


def free_port():
    """Nobody listens there, and until these tests end nobody gets it who has not asked for it by its number."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that a scenario can listen there all the same
    sock.bind(("127.0.0.1", 0))
    HELD.append(sock)
    return sock.getsockname()[1]


class Door:
    """`mutual serve` on a port of the kernel's choice. Its log lines are read as they come."""

    command = "serve"

    def __init__(self, cwd, *options, home=None, listen=("--listen", "127.0.0.1:0"), prefix=(), binary=BINARY, **popen):
        env = dict(os.environ, NO_COLOR="1")
        for name in ("MUTUAL_PASSPHRASE_FILE", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"):
            env.pop(name, None)
        if home is not None:
            env["MUTUAL_HOME"] = str(home)
        options = list(map(str, options))
        if self.command == "serve" and "--to" in options and "--allow" not in options:
            options += ["--allow", "all"]  # what most scenarios are not about
        self.process = subprocess.Popen(
            [*prefix, binary, self.command, *listen, *options], cwd=cwd, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        self.told = False
        self.lines = queue.Queue()
        self.log = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ready = self.process.stdout.readline()
        if "ready" not in self.ready:
            self.process.wait(WAIT)
            self._reader.join(WAIT)
            raise AssertionError(f"not ready: {self.ready!r} {''.join(self.log)}")
        found = re.search(r"(\[[^\]]*\]|[^:/\s\"]+):(\d+)", self.ready)
        self.host, self.port = (found.group(1).strip("[]"), int(found.group(2))) if found else (None, None)
        self.url = f"https://localhost:{self.port}"

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            self.lines.put(line)
        self.lines.put(None)

    def says(self, text):
        """The next log line that has `text`; fails if none comes."""
        while True:
            line = self.lines.get(timeout=WAIT)
            assert line is not None, f"the server ended without saying {text!r}: {''.join(self.log)}"
            if text in line:
                return line

    def signal(self, number=signal.SIGTERM):
        self.told = True
        self.process.send_signal(number)

    def stop(self):
        """Ask it to end, unless it has been asked (a second signal would end it at once), and say how it did."""
        if self.process.poll() is None and not self.told:
            self.signal()
        code = self.process.wait(WAIT)
        self._reader.join(WAIT)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT)
        self._reader.join(WAIT)
        self.process.stdout.close()
        self.process.stderr.close()


def context(ca=None, cert=None, key=None, version=None):
    """A client's TLS; without `ca` it trusts nobody and does not look."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
    else:
        ctx.load_verify_locations(ca)
    if cert is not None:
        ctx.load_cert_chain(cert, key)
    if version is not None:
        ctx.minimum_version = ctx.maximum_version = version
    return ctx


def plain(door):
    return socket.create_connection(("127.0.0.1", door.port), timeout=WAIT)


def listens_no_more(door):
    """A moment ago it was told to stop."""
    with contextlib.suppress(ConnectionError):
        while True:
            plain(door).close()


def connect(door, ctx, name="localhost", session=None):
    raw = plain(door)
    try:
        return ctx.wrap_socket(raw, server_hostname=name, session=session)
    except BaseException:
        raw.close()
        raise


def read_all(sock):
    """Everything until the server closes; an alert or a reset ends it with what there was before."""
    data = bytearray()
    try:
        while piece := sock.recv(65536):
            data += piece
    except (ssl.SSLError, ConnectionError) as error:
        return bytes(data), error
    return bytes(data), None


class Wire:
    """A TLS client that can say it is done and go on listening, which Python's own sockets cannot."""

    def __init__(self, door, ctx):
        """`door` may also be a socket that is connected to one."""
        self.sock = door if isinstance(door, socket.socket) else plain(door)
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        ctx.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        self.tls = ctx.wrap_bio(self.coming, self.going, server_hostname="localhost")
        self._until_done(self.tls.do_handshake)

    def _flush(self):
        self.sock.sendall(self.going.read())

    def _until_done(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(65536)
                self.coming.write(data) if data else self.coming.write_eof()

    def sendall(self, data):
        self._until_done(self.tls.write, data)

    def recv(self, count):
        """Empty at a close_notify; an end without one is an error."""
        try:
            return self._until_done(self.tls.read, count)
        except ssl.SSLZeroReturnError:
            return b""

    def end(self):
        """Send close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


LAST_CHUNK = re.compile(rb"(^|\r\n)0\r\n([^\r]+\r\n)*\r\n$")


def read_answer(sock):
    """One response: (status, headers, body, with its chunks as they are)."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        assert piece, f"closed in the middle of a head: {data!r}"
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    chunked = headers.get("transfer-encoding") == "chunked"
    while len(body) < int(headers.get("content-length", 0)) or (chunked and not LAST_CHUNK.search(body)):
        piece = sock.recv(65536)
        assert piece, "closed in the middle of a body"
        body += piece
    return int(lines[0].split()[1]), headers, body


def ask(sock, request):
    sock.sendall(request if isinstance(request, bytes) else request.encode())
    return read_answer(sock)


def is_let_in(door, ctx):
    with connect(door, ctx) as sock:
        return ask(sock, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200


def refused(door, ctx, expected_id, **how):
    """No byte of HTTP, by any way, and one line that says why."""
    try:
        with connect(door, ctx, **how) as sock:
            try:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            except (ssl.SSLError, ConnectionError):
                pass
            data, error = read_all(sock)
            assert data == b""
            assert error is not None, "closed without an alert"
    except ssl.SSLError as caught:
        error = caught
    line = door.says(f" {expected_id}: ")
    assert "hint: " in line
    assert line.split()[0].endswith("Z") and line.split()[1].startswith("127.0.0.1:")
    return error
