"""Bounds on what one client, or a flood of them, may take from the others."""
import concurrent.futures
import contextlib
import ssl

import pytest

from door import Door, ask, connect, context, plain, read_all
from metrics import metrics

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def test_one_address_has_no_more_than_its_share(ca, place, ctx):
    with Door(place, "--max-connections-per-address", 3, "--workers", 2, "--control", "here.sock", home=ca) as door:
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(connect(door, ctx)) for _ in range(3)]
            with pytest.raises((ConnectionError, ssl.SSLError)):
                connect(door, ctx)
            line = door.says(" address-full: ")
            assert "--max-connections-per-address" in line
            assert all(ask(sock, GET)[0] == 200 for sock in held), "who is in stays in"
            found = metrics(str(place / "here.sock"))
            assert found['mutual_refused_total{reason="address-full"}'] == 1
            assert 'mutual_handshakes_total{result="address-full"}' not in found, "there was none"
            held[0].close()
            while True:  # until the server has seen it go
                with contextlib.suppress(ConnectionError, ssl.SSLError), connect(door, ctx) as sock:
                    assert ask(sock, GET)[0] == 200
                    break
        assert door.stop() == 0


def test_a_flood_of_silent_clients_makes_room_for_others(ca, place, ctx):
    """They would hold every handshake that may be for as long as one may take."""
    options = ("--max-handshakes", 20, "--workers", 1, "--control", "here.sock")
    with Door(place, *options, home=ca) as door, contextlib.ExitStack() as stack:
        flood = [stack.enter_context(plain(door)) for _ in range(100)]
        for _ in range(3):
            with connect(door, ctx) as sock:
                assert ask(sock, GET)[0] == 200
        assert "--max-handshakes" in door.says(" handshake-crowded: ")
        assert read_all(flood[0])[0] == b"", "the oldest has gone"
        found = metrics(str(place / "here.sock"))
        assert found["mutual_connections_active"] <= 20
        assert found['mutual_refused_total{reason="handshake-crowded"}'] >= 80
        stack.close()
        assert door.stop() == 0


def half_way(door, ctx):
    """A client that has said its first word, and had the answer to it; and how it goes on."""
    sock, incoming, outgoing = plain(door), ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    sock.sendall(outgoing.read())
    incoming.write(sock.recv(65536))

    def go_on():
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(sock.recv(65536))
        tls.write(GET.encode())
        sock.sendall(outgoing.read())
        assert sock.recv(65536) != b""
        sock.close()
    return go_on


def test_a_storm_of_clients_is_let_in_one_after_the_other(ca, place, ctx):
    """Who has begun in earnest is not sent away for the next one, who waits."""
    with Door(place, "--max-handshakes", 2, "--workers", 1, home=ca) as door:
        clients = [half_way(door, ctx) for _ in range(2)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            others = [pool.submit(lambda: connect(door, ctx).close()) for _ in range(8)]
            for go_on in clients:
                go_on()
            for other in others:
                other.result()
        assert door.stop() == 0 and not any("handshake-crowded" in line for line in door.log)


def test_those_who_are_told_why_make_room_too(ca, place, ctx):
    """Refused, and about to be told so, they stand in the row of those who have not come in a second time."""
    nobody = context(ca / "ca.crt")
    with Door(place, "--explain-refusals", "http", "--max-handshakes", 2, "--workers", 1, "--stop-timeout", "1s", home=ca) as door:
        first, _second = (half_way(door, nobody) for _ in range(2))
        first()  # is told
        _third = half_way(door, nobody)
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
        assert door.stop() == 0


def test_a_flood_of_garbage_costs_the_others_nothing(ca, place, ctx):
    with Door(place, "--workers", 1, "--log", "none", home=ca) as door:
        for _ in range(5):
            with contextlib.ExitStack() as stack:
                for noise in [b"\x16\x03\x01\x02\x00\x01\xff" + b"\xff" * 600, b"\x80" * 100, b"GET / HTTP/1.1\r\n\r\n"] * 20:
                    stack.enter_context(plain(door)).sendall(noise)
                with connect(door, ctx) as sock:
                    assert ask(sock, GET)[0] == 200
        assert door.stop() == 0 and door.log == []


@pytest.mark.parametrize("option", ["--max-connections-per-address", "--max-handshakes"])
def test_none_at_all_is_no_bound(place, mutual, ca, option):
    mutual("serve", option, "0").refused(option, code=2)
