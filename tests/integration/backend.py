"""Services behind a door, for the scenarios: what each does with a connection is a function."""
import contextlib
import socket
import struct
import threading

from door import WAIT


class Backend:
    """Listens on 127.0.0.1, or on the Unix socket `path`; runs `serve(socket)` in a thread for each connection."""

    def __init__(self, serve, path=None):
        self.serve, self.accepted, self.open, self.errors = serve, 0, 0, []
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.bind(str(path) if path else ("127.0.0.1", 0))
        self.socket.listen(64)
        self.url = f"unix:{path}" if path else f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                sock, _ = self.socket.accept()
                self.accepted += 1
                self.open += 1
                threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        sock.settimeout(WAIT)
        try:
            with sock:
                self.serve(sock)
        except OSError as error:
            self.errors.append(error)
        self.open -= 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def echo(sock):
    """Send back what comes, and when all has come, how much it was."""
    total = 0
    while data := sock.recv(65536):
        sock.sendall(data)
        total += len(data)
    sock.sendall(b"total %d\n" % total)


def greet(sock):
    """One answer in HTTP."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nHello World")


def reset(sock):
    """Let close() send a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
