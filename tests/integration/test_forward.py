"""`serve --to`: the bytes of admitted clients, to a backend and back, as they are."""
import contextlib
import json
import os
import re
import socket
import ssl
import threading

import pytest

from backend import Backend, echo, reset
from door import WAIT, Door, Wire, connect, context, free_port, read_all, refused, until

MIB = 1024 * 1024


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


@contextlib.contextmanager
def forwarding(ca, place, *backends, options=()):
    to = [word for backend in backends for word in ("--to", getattr(backend, "url", backend))]
    with Door(place, *to, *options, home=ca) as door:
        yield door


# --- Bytes ---


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_go_both_ways(ca, place, version):
    ctx = context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key", version)
    with Backend(echo) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        for piece in (b"a", b"bc", b"\0" * 70000):
            wire.sendall(piece)
            got = b""
            while len(got) < len(piece):
                got += wire.recv(65536)
            assert got == piece


def test_the_backend_may_speak_first(ca, place, ctx):
    with Backend(lambda sock: sock.sendall(b"220 welcome\r\n")) as backend, forwarding(ca, place, backend) as door:
        with Wire(door, ctx) as wire:
            assert read_all(wire) == (b"220 welcome\r\n", None)


def test_one_byte_at_a_time(ca, place, ctx):
    with Backend(echo) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        for i in range(500):
            wire.sendall(bytes([i % 256]))
        wire.end()
        assert read_all(wire) == (bytes(i % 256 for i in range(500)) + b"total 500\n", None)


def test_much_at_once_in_both_directions(ca, place, ctx):
    """Both ends send 8 MiB before either is done, while both read."""
    data = os.urandom(8 * MIB)
    taken = []

    def talk(sock):
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        got = bytearray()
        while len(got) < len(data):
            got += sock.recv(65536)
        taken.append(bytes(got))
        sender.join(WAIT)

    with Backend(talk) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        got = bytearray()
        wire.sock.setblocking(False)
        for at in range(0, len(data), 16384):
            wire.tls.write(data[at:at + 16384])
            left = wire.going.read()
            while left:
                with contextlib.suppress(BlockingIOError):
                    left = left[wire.sock.send(left):]
                with contextlib.suppress(BlockingIOError):
                    wire.coming.write(wire.sock.recv(262144))
            with contextlib.suppress(ssl.SSLWantReadError):
                while piece := wire.tls.read(65536):
                    got += piece
        wire.sock.settimeout(WAIT)
        while len(got) < len(data):
            got += wire.recv(65536)
        until(lambda: taken)
        assert bytes(got) == data and taken[0] == data


def test_what_one_end_does_not_read_stops_the_other(ca, place, ctx):
    """No more is taken from a sender than sockets and one record hold."""
    sent = [0]

    def pour(sock):
        sock.settimeout(0.7)
        with contextlib.suppress(TimeoutError):
            while sent[0] < 200 * MIB:
                sent[0] += sock.send(bytes(65536))

    with Backend(pour) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx):
        until(lambda: backend.accepted == 1 and backend.open == 0)
        assert 0 < sent[0] < 64 * MIB

    held = threading.Event()
    with Backend(lambda _: held.wait(WAIT)) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sock.settimeout(0.7)
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 200 * MIB:
                wire.sendall(bytes(65536))
                taken += 65536
        held.set()
        assert 0 < taken < 64 * MIB


# --- Ends ---


def test_a_client_that_is_done_still_hears_the_answer(ca, place, ctx):
    with Backend(echo) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(b"question")
        wire.end()
        assert read_all(wire) == (b"questiontotal 8\n", None)


def test_a_backend_that_is_done_still_hears_the_client(ca, place, ctx):
    heard = []

    def goodbye_first(sock):
        sock.sendall(b"goodbye")
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            heard.append(data)

    with Backend(goodbye_first) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        assert read_all(wire) == (b"goodbye", None), "the client is told by close_notify"
        wire.sendall(b"one more thing")
        wire.end()
        until(lambda: backend.accepted == 1 and backend.open == 0)
        assert b"".join(heard) == b"one more thing"


def test_a_client_that_hangs_up_without_close_notify_loses_nothing(ca, place, ctx):
    heard = []

    def listen(sock):
        while data := sock.recv(65536):
            heard.append(data)

    with Backend(listen) as backend, forwarding(ca, place, backend) as door:
        with Wire(door, ctx) as wire:
            wire.sendall(b"x" * 100000)
            wire.sock.shutdown(socket.SHUT_WR)
            until(lambda: backend.accepted == 1 and backend.open == 0)
    assert len(b"".join(heard)) == 100000 and not backend.errors


def test_a_reset_by_the_client_is_a_reset_to_the_backend(ca, place, ctx):
    with Backend(echo) as backend, forwarding(ca, place, backend, options=("--log", "connections")) as door:
        with Wire(door, ctx) as wire:
            wire.sendall(b"hello")
            assert wire.recv(100) == b"hello"
            reset(wire.sock)
        until(lambda: backend.errors)
        assert isinstance(backend.errors[0], ConnectionResetError)
        assert " client-reset, received 5, sent 5, " in door.says(" connection ")


def test_a_reset_by_the_backend_is_no_end_to_the_client(ca, place, ctx):
    def break_off(sock):
        sock.sendall(b"half of")
        sock.recv(1)
        reset(sock)

    with Backend(break_off) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        assert wire.recv(100) == b"half of"
        wire.sendall(b"x")
        data, error = read_all(wire)
        assert data == b"" and isinstance(error, (ConnectionError, ssl.SSLError))
        assert " backend-reset (Connection reset by peer), " in door.says(" connection ")


def test_why_the_backend_is_gone_is_told_also_while_it_is_written_to(ca, place, ctx):
    """It resets at a moment of its own; whichever call comes upon that, EAGAIN is no reason."""
    def break_off(sock):
        for _ in range(1 + backend.accepted % 3):
            sock.sendall(sock.recv(65536))
        reset(sock)

    with Backend(break_off) as backend, forwarding(ca, place, backend) as door:
        for _ in range(24):
            with Wire(door, ctx) as wire, contextlib.suppress(OSError):
                for _ in range(20):
                    wire.sendall(b"x" * 100000)
                    wire.recv(65536)
            line = door.says(" connection ")
            assert re.search(r" backend-reset \((Connection reset by peer|Broken pipe)\), ", line), line


def keepalive_timers(*ports):
    """Of the connections that this machine holds on these local or remote ports."""
    timers = []
    with open("/proc/net/tcp", encoding="ascii") as table:
        for words in (line.split() for line in list(table)[1:]):
            local, remote = (int(words[at].split(":")[1], 16) for at in (1, 2))
            if words[3] == "01" and (local in ports or remote in ports):
                timers.append((local, words[5].split(":")[0] == "02"))
    return timers


def test_an_end_that_has_vanished_is_asked_for(ca, place, ctx):
    """Without a packet and without a limit, a connection would be held for ever. The kernel asks, at both ends."""
    with Backend(echo) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(b"hello")
        assert wire.recv(5) == b"hello"
        port = backend.socket.getsockname()[1]
        until(lambda: sum(asks for local, asks in keepalive_timers(door.port) if local == door.port) == 1)
        until(lambda: sum(asks for local, asks in keepalive_timers(port) if local != port) == 1)


def test_a_silent_connection_is_closed_when_asked_to(ca, place, ctx):
    with Backend(echo) as backend, forwarding(ca, place, backend, options=("--idle-timeout", "1s")) as door:
        with Wire(door, ctx) as wire:
            wire.sendall(b"hello")
            assert read_all(wire) == (b"hello", None)
            until(lambda: backend.open == 0)


# --- Who ---


def test_nobody_who_is_refused_reaches_the_backend(ca, mutual, place):
    mutual("init", home=place / "strange").ok()
    mutual("issue", "client", "stranger", home=place / "strange").ok()
    with Backend(echo) as backend, forwarding(ca, place, backend) as door:
        refused(door, context(ca / "ca.crt"), "client-cert-missing")
        refused(door, context(ca / "ca.crt", place / "stranger.crt", place / "stranger.key"), "client-cert-ca-rekeyed")
        assert backend.accepted == 0


def test_an_offer_of_protocols_is_no_obstacle(ca, place, ctx):
    ctx.set_alpn_protocols(["h2", "something/1"])
    with Backend(echo) as backend, forwarding(ca, place, backend) as door, connect(door, ctx) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x" and sock.selected_alpn_protocol() is None


# --- Backends ---


def test_a_unix_socket(ca, place, ctx):
    with Backend(echo, place / "service.sock") as backend, forwarding(ca, place, backend) as door:
        with Wire(door, ctx) as wire:
            wire.sendall(b"hello")
            wire.end()
            assert read_all(wire) == (b"hellototal 5\n", None)


def test_a_backend_that_is_not_there_is_a_reset_and_a_line(ca, place, ctx):
    port = free_port()
    with forwarding(ca, place, f"tcp://127.0.0.1:{port}") as door:
        with Wire(door, ctx) as wire:
            data, error = read_all(wire)
            assert data == b"" and isinstance(error, (ConnectionError, ssl.SSLError))
        assert ' connection "CN=my-client" DNS:my-client - backend-unreachable (Connection refused), received 0' \
            in door.says(" connection ")

        with socket.socket() as listener:  # and when it is there, it is there
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            with Wire(door, ctx) as wire:
                wire.sendall(b"hello")
                assert listener.accept()[0].recv(5) == b"hello"


def test_a_backend_that_does_not_answer_is_given_up(ca, place, ctx):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # until the kernel's queue is full and it drops what comes
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        with forwarding(ca, place, f"tcp://127.0.0.1:{port}", options=("--connect-timeout", "1s")) as door:
            with Wire(door, ctx) as wire:
                assert read_all(wire)[0] == b""
            assert "backend-unreachable (Connection timed out)" in door.says(" connection ")
        for sock in waiting:
            sock.close()


def test_when_one_is_away_the_others_serve(ca, place, ctx):
    gone = f"tcp://127.0.0.1:{free_port()}"
    with Backend(echo) as there, forwarding(ca, place, gone, there) as door:
        for _ in range(6):
            with Wire(door, ctx) as wire:
                wire.sendall(b"hello")
                assert wire.recv(5) == b"hello"
        assert there.accepted == 6


def test_the_one_with_the_fewest_connections_is_next(ca, place, ctx):
    with Backend(echo) as one, Backend(echo) as two, forwarding(ca, place, one, two) as door:
        wires = []
        for _ in range(6):
            wires.append(Wire(door, ctx))
            wires[-1].sendall(b"x")
            assert wires[-1].recv(1) == b"x"
        assert (one.open, two.open) == (3, 3)
        for wire in wires:
            wire.sock.close()


def test_localhost_is_looked_for_under_both_of_its_addresses(ca, place, ctx):
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no ::1")
        listener.listen()
        with forwarding(ca, place, f"tcp://localhost:{listener.getsockname()[1]}") as door, Wire(door, ctx) as wire:
            wire.sendall(b"hello")
            assert listener.accept()[0].recv(5) == b"hello"


@pytest.mark.parametrize("options, words", [
    (["--to", "http//x"], ["is not the address of a backend", "tcp://HOST:PORT or unix:PATH"]),
    (["--to", "tcp://127.0.0.1"], ["is not an address to connect to"]),
    (["--to", "tcp://127.0.0.1:0"], ["no port between 1 and 65535"]),
    (["--to", "tcp://127.0.0.1:65536"], ["no port between 1 and 65535"]),
    (["--to", "tcp://:80"], ["is not an address to connect to"]),
    (["--to", "tcp://no-such-host.invalid:80"], ['the host "no-such-host.invalid" cannot be found']),
    (["--to", "unix:"], ["has no path"]),
    (["--to", "unix:/" + "x" * 110], ["107 bytes at most"]),
    (["--to", "tcp://127.0.0.1:80", "--files", "."], ["--to hands everything to a backend"]),
])
def test_what_is_no_backend_stops_the_start(mutual, ca, place, options, words):
    mutual("serve", "--listen", "127.0.0.1:0", "--allow", "all", *options).refused(*words, code=2)


# --- The server's life ---


def test_a_stop_lets_connections_finish(ca, place, ctx):
    with Backend(echo) as backend, forwarding(ca, place, backend) as door, Wire(door, ctx) as wire:
        wire.sendall(b"before")
        assert wire.recv(100) == b"before"
        door.signal()
        until(lambda: not accepts(door))
        wire.sendall(b"after")
        assert wire.recv(100) == b"after"
        wire.end()
        assert read_all(wire) == (b"total 11\n", None)
        assert door.stop() == 0


def accepts(door):
    try:
        socket.create_connection(("127.0.0.1", door.port), timeout=WAIT).close()
        return True
    except ConnectionError:
        return False


def test_a_stop_does_not_wait_for_ever(ca, place, ctx):
    options = ("--stop-timeout", "1s", "--log", "connections")
    with Backend(echo) as backend, forwarding(ca, place, backend, options=options) as door, Wire(door, ctx) as wire:
        wire.sendall(b"hello")
        assert wire.recv(5) == b"hello"
        door.signal()
        data, error = read_all(wire)
        assert data == b"" and isinstance(error, (ConnectionError, ssl.SSLError)), "a cut looks like one"
        assert door.stop() == 0
        assert " stopped, received 5, sent 5, " in door.says(" connection ")
        until(lambda: backend.errors)
        assert isinstance(backend.errors[0], ConnectionResetError)


def test_the_log_has_a_line_a_connection(ca, place, ctx):
    with Backend(echo) as backend, forwarding(ca, place, backend, options=("--log", "connections")) as door:
        with Wire(door, ctx) as wire:
            wire.sendall(b"hello")
            wire.end()
            read_all(wire)
        line = door.says(" connection ")
        assert f' connection "CN=my-client" DNS:my-client {backend.url} closed, received 5, sent 13, ' in line
        assert line.endswith(" ms\n")
    with Backend(echo) as backend, forwarding(ca, place, backend, options=("--log", "connections", "--json")) as door:
        with Wire(door, ctx) as wire:
            wire.sendall(b"hello")
            wire.end()
            read_all(wire)
        event = json.loads(door.says('"connection"'))
        assert {**event, "time": 0, "peer": 0, "milliseconds": 0} == {
            "time": 0, "event": "connection", "peer": 0, "subject": "CN=my-client", "san": "DNS:my-client",
            "backend": backend.url, "id": "closed", "cause": "", "received": 5, "sent": 13, "milliseconds": 0}
