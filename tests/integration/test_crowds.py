"""What many do at once to a door in front of a service: none of it stays, and none of it costs the others anything."""
import contextlib
import os
import socket
import ssl
import threading
import time

import pytest

from backend import Backend, echo, reset
from door import WAIT, Door, Wire, connect, context, free_port, plain, read_all, until


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def served(door, ctx):
    """A client comes in and is carried to the service and back."""
    with Wire(door, ctx) as wire:
        wire.sendall(b"hello")
        wire.end()
        return read_all(wire) == (b"hellototal 5\n", None)


def descriptors(door):
    return len(os.listdir(f"/proc/{door.process.pid}/fd"))


def at_once(count, act):
    """act(n) in a thread for each; what any of them raises fails the test."""
    failures = []

    def run(n):
        try:
            act(n)
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not failures, failures


def test_many_come_and_go(ca, place, ctx):
    """Some say goodbye, some hang up, some break off, some before they have said anything."""
    with Backend(echo) as backend, Door(place, "--to", backend.url, "--workers", "1", home=ca) as door:
        before = descriptors(door)

        def come_and_go(n):
            for i in range(12):
                match (n + i) % 4:
                    case 0:
                        assert served(door, ctx)
                    case 1:
                        with Wire(door, ctx) as wire:
                            wire.sendall(b"hello")
                    case 2:
                        with Wire(door, ctx) as wire:
                            wire.sendall(b"hello")
                            reset(wire.sock)
                    case 3:
                        reset(plain(door))

        at_once(8, come_and_go)
        until(lambda: descriptors(door) == before and backend.open == 0)
        assert served(door, ctx)


def test_a_flood_of_silence_keeps_nobody_out(ca, place, ctx):
    with Backend(echo) as backend:
        with Door(place, "--to", backend.url, "--workers", "1", "--handshake-timeout", "2s", home=ca) as door:
            before = descriptors(door)
            crowd = [plain(door) for _ in range(400)]
            until(lambda: descriptors(door) >= before + 400)
            for _ in range(5):
                assert served(door, ctx)
            for sock in crowd:
                assert read_all(sock)[0] == b""  # each is shown out in the end
                sock.close()
            until(lambda: descriptors(door) == before)


def test_a_flood_of_garbage_keeps_nobody_out(ca, place, ctx):
    garbage = [b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\x16\x03\x01\xff\xff" + bytes(100), b"\x80\x2e\x01\x00\x02",
               b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", b"\x15\x03\x03\x00\x02\x02\x28", b"\x16"]
    with Backend(echo) as backend, Door(place, "--to", backend.url, "--workers", "1", home=ca) as door:
        before = descriptors(door)

        def throw(n):
            for i in range(20):
                with contextlib.suppress(ConnectionError), plain(door) as sock:
                    sock.sendall(garbage[(n + i) % len(garbage)])
                    sock.shutdown(socket.SHUT_WR)
                    assert b"hello" not in read_all(sock)[0]
                if i % 5 == 0:
                    assert served(door, ctx)

        at_once(6, throw)
        assert backend.accepted == 24
        until(lambda: descriptors(door) == before)


def test_a_backend_that_comes_and_goes_is_used_when_it_is_there(ca, place, ctx):
    port = free_port()
    with Door(place, "--to", f"tcp://127.0.0.1:{port}", home=ca) as door:
        for _ in range(4):
            with Wire(door, ctx) as wire:
                data, error = read_all(wire)
                assert data == b"" and isinstance(error, (ConnectionError, ssl.SSLError))
            with there(port) as backend:
                assert served(door, ctx)
                until(lambda: backend.open == 0)


@contextlib.contextmanager
def there(port):
    """A service on this port for a while."""
    class Here(Backend):
        def __init__(self):
            super().__init__(echo)
            self.socket.close()
            self.socket = socket.socket()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(("127.0.0.1", port))
            self.socket.listen(64)
            threading.Thread(target=self._accept, daemon=True).start()

    with Here() as backend:
        yield backend


def test_a_stop_in_the_middle_of_a_crowd_loses_nobody_who_was_in(ca, place, ctx):
    """Whoever was let in finishes; whoever comes afterwards is refused by the kernel, and nobody is left between."""
    with Backend(echo) as backend, Door(place, "--to", backend.url, home=ca) as door:
        wires = [Wire(door, ctx) for _ in range(40)]
        for wire in wires:
            wire.sendall(b"before")
            assert wire.recv(100) == b"before"
        coming, outcomes = threading.Event(), []

        def keep_coming(_):
            while not coming.is_set():
                try:
                    outcomes.append(served(door, ctx))
                except (ConnectionError, ssl.SSLError):
                    outcomes.append(None)
                    time.sleep(0.01)

        crowd = [threading.Thread(target=keep_coming, args=(n,)) for n in range(3)]
        for thread in crowd:
            thread.start()
        until(lambda: outcomes.count(True) >= 5)
        door.signal()
        until(lambda: outcomes.count(None) >= 3)
        coming.set()
        for thread in crowd:
            thread.join(WAIT)
        for wire in wires:
            wire.sendall(b"after")
            assert wire.recv(100) == b"after"
            wire.end()
            assert read_all(wire) == (b"total 11\n", None)
            wire.sock.close()
        assert False not in outcomes
        assert door.stop() == 0


def test_a_connection_that_is_too_old_is_cut(ca, place, ctx):
    options = ("--max-lifetime", "1s", "--idle-timeout", "20s", "--log", "connections")
    with Backend(echo) as backend, Door(place, "--to", backend.url, *options, home=ca) as door:
        with connect(door, ctx) as sock:
            with pytest.raises((ConnectionError, ssl.SSLError)):
                while True:
                    sock.sendall(b"hello")
                    if sock.recv(100) == b"":
                        raise ssl.SSLError("an end without a goodbye")  # which Python does not tell from one with it
                    time.sleep(0.05)
        assert " lifetime, received " in door.says(" connection ")
        until(lambda: backend.errors)
        assert isinstance(backend.errors[0], ConnectionResetError)
