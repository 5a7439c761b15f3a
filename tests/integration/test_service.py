"""`mutual serve` under a service manager: sockets that are open already, and what the manager is told."""
import os
import socket
import sys

import pytest

from door import WAIT, Door, ask, connect, context, plain

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


HAND_ON = """
import os, sys
held = [os.dup(int(fd)) for fd in sys.argv[1].split(",")]
held = [os.dup2(fd, 50 + i) for i, fd in enumerate(held)]
for i, fd in enumerate(held):
    os.dup2(fd, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(held)))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def activated(ca, place, sockets, listen, *options, names="", kind=Door, env=()):
    """A server that finds these sockets as systemd would have left them: descriptors from 3 on."""
    fds = [sock.fileno() for sock in sockets]
    prefix = ["env", f"LISTEN_FDNAMES={names}", *env, sys.executable, "-c", HAND_ON, ",".join(map(str, fds))]
    return kind(place, *options, home=ca, listen=("--listen", listen), prefix=prefix, pass_fds=fds)


def listener(family=socket.AF_INET, address=("127.0.0.1", 0)):
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen()
    return sock


def test_a_socket_that_is_open_already(ca, place, ctx):
    with listener() as first, listener() as second:
        with activated(ca, place, [first, second], "systemd:web", "--workers", "2",
                       names="other:web") as door:
            assert door.port == second.getsockname()[1]
            for _ in range(5):
                with connect(door, ctx) as sock:
                    assert ask(sock, GET)[0] == 200
            assert door.stop() == 0
        with socket.create_connection(second.getsockname(), timeout=WAIT):
            pass  # whoever comes between two servers waits in the queue, and is not refused


def test_all_of_them_and_a_unix_socket(ca, place, ctx):
    path = place / "door.sock"
    with listener() as first, listener(socket.AF_UNIX, str(path)) as second:
        with activated(ca, place, [first, second], "systemd:", "--json") as door:
            assert f'"listen":["127.0.0.1:{first.getsockname()[1]}","unix:{path}"]' in door.ready
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(path))
                with ctx.wrap_socket(raw, server_hostname="localhost") as sock:
                    assert ask(sock, GET)[0] == 200
            assert door.stop() == 0
        assert path.exists(), "the name is systemd's"


def test_a_client_of_ipv4_is_one_at_a_socket_of_both_families(ca, place, ctx):
    """Which systemd makes of a port alone."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6 here")
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both, \
            activated(ca, place, [both], "systemd:", "--log", "requests", "--proxy-protocol", "--proxy-from", "127.0.0.0/8") as door:
        with plain(door) as sock:
            sock.sendall(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n")
            with ctx.wrap_socket(sock, server_hostname="localhost") as tls:
                assert ask(tls, GET)[0] == 200
        assert " 192.0.2.7:1 " in door.says(" request ")


def test_what_was_not_handed_on_is_missed(ca, mutual, place):
    mutual("serve", "--listen", "systemd:web").refused("systemd has handed on no socket", ".socket unit")
    env = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}  # for somebody else
    mutual("serve", "--listen", "systemd:web", env=env).refused("systemd has handed on no socket")
    with listener() as sock, pytest.raises(AssertionError, match='no socket called "web"'):
        activated(ca, place, [sock], "systemd:web", names="webs")
    with socket.socket() as idle, pytest.raises(AssertionError, match="is no listening socket"):
        activated(ca, place, [idle], "systemd:")


class Manager:
    """Hears what services say, in the order in which they say it."""

    def __init__(self, place):
        self.path = place / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(WAIT)

    def hears(self):
        return self.socket.recv(100).decode()


def test_the_manager_is_told_when_it_is_ready_and_when_it_stops(ca, place, ctx):
    manager = Manager(place)
    with Door(place, home=ca, prefix=["env", f"NOTIFY_SOCKET={manager.path}"]) as door:
        assert manager.hears() == "READY=1"
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
        door.signal()
        assert manager.hears() == "STOPPING=1"
        assert door.stop() == 0


def test_a_manager_that_is_gone_is_no_trouble(ca, place, ctx):
    with Door(place, home=ca, prefix=["env", f"NOTIFY_SOCKET={place}/none"]) as door, connect(door, ctx) as sock:
        assert ask(sock, GET)[0] == 200


def test_the_watchdog_is_fed_while_every_worker_turns(ca, place):
    manager = Manager(place)
    watched = ["env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=300000"]
    with Door(place, "--workers", "2", home=ca, prefix=watched) as door:
        heard = [manager.hears() for _ in range(6)]
        assert heard.count("WATCHDOG=1") == 5 and heard.count("READY=1") == 1
        assert door.stop() == 0


class Tunnel(Door):
    command = "tunnel"


def test_a_tunnel_is_such_a_service_too(ca, place):
    manager = Manager(place)
    told = [f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=300000"]
    with Door(place, home=ca) as door, listener(socket.AF_UNIX, str(place / "way")) as sock:
        options = ("--as", "my-client", "--to", f"localhost:{door.port}")
        with activated(ca, place, [sock], "systemd:way", *options, names="way", kind=Tunnel, env=told) as tunnel:
            heard = [manager.hears() for _ in range(4)]
            assert heard.count("WATCHDOG=1") == 3 and heard.count("READY=1") == 1
            with socket.socket(socket.AF_UNIX) as program:
                program.connect(str(place / "way"))
                assert ask(program, GET)[0] == 200
            tunnel.signal()
            while manager.hears() != "STOPPING=1":
                pass
            assert tunnel.stop() == 0
