"""`mutual serve --status`: metrics, and probes that need no certificate."""
import contextlib
import os
import signal
import socket
import ssl
import threading
import time

import pytest

from backend import Backend, greet
from door import WAIT, Door, ask, connect, context, read_all, refused, until
from metrics import ask_status, metrics, status_of

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
STATUS = ("--status", "127.0.0.1:0")


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def test_what_happens_at_the_doors_is_counted(ca, place, ctx, mutual):
    mutual("crl").ok()
    with Door(place, *STATUS, "--crl", ca / "ca.crl", home=ca) as door:
        where = status_of(door)
        before = metrics(where)
        assert before['mutual_handshakes_total{result="admitted"}'] == 0
        assert before['mutual_refused_total{reason="tls-version"}'] == 0, "there from the beginning"
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
            assert ask(sock, GET.replace("/ ", "/none "))[0] == 404
            assert metrics(where)["mutual_connections_active"] == 1
        refused(door, context(ca / "ca.crt"), "client-cert-missing")
        until(lambda: metrics(where)["mutual_connections_active"] == 0)
        after = metrics(where)
        assert after["mutual_connections_accepted_total"] == 2
        assert after['mutual_handshakes_total{result="admitted"}'] == 1
        assert after['mutual_handshakes_total{result="client-cert-missing"}'] == 1
        assert after['mutual_refused_total{reason="client-cert-missing"}'] == 1
        assert after["mutual_handshake_seconds_count"] == 2
        assert after['mutual_requests_total{status="2xx"}'] == 1 and after['mutual_requests_total{status="4xx"}'] == 1
        assert after["mutual_received_bytes_total"] > 2000 and after["mutual_sent_bytes_total"] > 1000
        ends = {key.split("{")[0]: value for key, value in after.items() if "_expiry_" in key}
        assert ends["mutual_certificate_expiry_timestamp_seconds"] == pytest.approx(time.time() + 90 * 86400, abs=86400)
        assert ends["mutual_crl_expiry_timestamp_seconds"] > time.time()
        assert ends["mutual_trust_expiry_timestamp_seconds"] > ends["mutual_certificate_expiry_timestamp_seconds"]
        assert after["process_start_time_seconds"] == pytest.approx(time.time(), abs=600)
        assert door.stop() == 0


def test_a_resumed_session_is_counted_as_one(ca, place, ctx):
    with Door(place, *STATUS, "--workers", 1, home=ca) as door:
        where = status_of(door)
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
            session = sock.session
        with connect(door, ctx, session=session) as sock:
            assert ask(sock, GET)[0] == 200 and sock.session_reused
        found = metrics(where)
        assert found["mutual_handshakes_resumed_total"] == 1 and found['mutual_handshakes_total{result="admitted"}'] == 2


def test_backends_are_counted_and_one_that_is_gone_is_told(ca, place, ctx):
    with socket.socket() as gone, Backend(greet) as backend:
        gone.bind(("127.0.0.1", 0))  # and does not listen
        down = f"tcp://127.0.0.1:{gone.getsockname()[1]}"
        with Door(place, *STATUS, "--to", down, "--to", backend.url, home=ca) as door:
            where = status_of(door)
            assert metrics(where)[f'mutual_backend_down{{backend="{down}"}}'] == 0
            with connect(door, ctx) as sock:
                assert ask(sock, GET)[0] == 200
                found = metrics(where)
                assert found[f'mutual_backend_down{{backend="{down}"}}'] == 1
                assert found[f'mutual_backend_down{{backend="{backend.url}"}}'] == 0
                assert found[f'mutual_backend_connections{{backend="{backend.url}"}}'] == 1
            until(lambda: metrics(where)[f'mutual_backend_connections{{backend="{backend.url}"}}'] == 0)


def test_probes_need_no_certificate(ca, place):
    with Door(place, *STATUS, home=ca) as door:
        where = status_of(door)
        assert ask_status(where, "/healthz")[0] == 200
        status, headers, body = ask_status(where, "/readyz?verbose")
        assert status == 200 and headers["connection"] == "close" and "admitted" in body
        assert ask_status(where, "/metrics", "HEAD")[2] == ""
        assert ask_status(where, "/status")[0] == 404, "who is there is told on the control socket only"
        assert ask_status(where, "/")[0] == 404
        assert ask_status(where, "/metrics", "DELETE")[0] == 405


def test_over_a_unix_socket_and_as_json(ca, place):
    with Door(place, "--status", f"unix:{place}/status.sock", "--json", home=ca) as door:
        assert f'"status":"unix:{place}/status.sock"' in door.ready
        assert metrics(f"{place}/status.sock")["mutual_workers_alive"] > 0
        assert door.stop() == 0
    assert not (place / "status.sock").exists()


def test_a_server_that_drains_is_healthy_and_not_ready(ca, place, ctx):
    held = threading.Event()

    def hold(sock):
        sock.recv(1)
        held.wait(WAIT)

    with Backend(hold) as backend, Door(place, *STATUS, "--to", backend.url, home=ca) as door:
        where = status_of(door)
        with connect(door, ctx) as sock:
            sock.sendall(b"x")
            until(lambda: backend.open == 1)
            assert ask_status(where, "/readyz")[0] == 200
            door.signal()
            until(lambda: ask_status(where, "/readyz")[0] == 503)
            assert ask_status(where, "/healthz")[0] == 200
            assert "stopping" in ask_status(where, "/readyz")[2]
            held.set()
            read_all(sock)
        assert door.stop() == 0


def thread_ids(door):
    return sorted(int(tid) for tid in os.listdir(f"/proc/{door.process.pid}/task"))


def test_a_worker_that_hangs_is_told_and_does_not_keep_the_probe_waiting(ca, place, ctx):
    with Door(place, *STATUS, "--workers", 1, home=ca) as door:
        where = status_of(door)
        assert ask_status(where, "/healthz")[0] == 200
        tracer = hang(door)
        if tracer is None:
            pytest.skip("a thread of another process cannot be stopped here")
        try:
            status, _, body = ask_status(where, "/healthz")
            assert status == 503 and "does not answer" in body
            assert metrics(where)["mutual_workers_alive"] == 0
        finally:
            tracer()
        until(lambda: ask_status(where, "/healthz")[0] == 200)
        assert door.stop() == 0


def hang(door):
    """Stop the worker's thread alone, by ptrace(2). Returns what lets it go on; None: not allowed."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    seize, interrupt, detach = 0x4206, 0x4207, 17
    for tid in thread_ids(door)[1:]:
        if libc.ptrace(seize, tid, None, None) != 0:
            return None
        libc.ptrace(interrupt, tid, None, None)
        os.waitpid(tid, 0x40000000)  # __WALL
    stopped = thread_ids(door)[1:]
    return lambda: [libc.ptrace(detach, tid, None, None) for tid in stopped]


def test_what_comes_to_the_status_listener_does_the_doors_no_harm(ca, place, ctx):
    with Door(place, *STATUS, home=ca) as door:
        where = status_of(door)
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(socket.create_connection(where, timeout=WAIT)) for _ in range(100)]
            assert silent[0].recv(1) == b"", "the oldest makes room"
            assert ask_status(where, "/healthz")[0] == 200
            for noise in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100000, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n"):
                with socket.create_connection(where, timeout=WAIT) as sock, contextlib.suppress(ConnectionError):
                    sock.sendall(noise)
                    sock.shutdown(socket.SHUT_WR)
                    read_all(sock)
            with connect(door, ctx) as sock:
                assert ask(sock, GET)[0] == 200
        assert metrics(where)['mutual_requests_total{status="2xx"}'] == 1
        assert door.stop() == 0


def test_a_status_port_that_is_taken_stops_the_start_in_words(ca, mutual, place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        for command in (("serve",), ("tunnel", "--as", "my-client", "--to", "localhost:1")):
            mutual(*command, "--listen", "127.0.0.1:0", "--status", where).refused(f"cannot listen on {where}", "hint: choose another one")
    for options in (("--status", "unix:door"), ("--control", "door"), ("--status", "unix:there", "--control", "there")):
        mutual("serve", "--listen", "unix:door", *options).refused("cannot listen on unix:", "hint: ")
        assert not list(place.glob("*door*")) and not list(place.glob("*there*")), "nor is anything left of what could be had"
    mutual("serve", "--listen", "127.0.0.1:0", "--status", "nowhere").refused("hint: ", code=2)
