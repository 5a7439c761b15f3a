"""`mutual status`: who is connected to a running server, asked on its control socket."""
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess

import pytest

from backend import Backend, echo
from conftest import BINARY
from door import WAIT, Door, ask, connect, context, plain
from metrics import ask_status, metrics

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def test_who_is_there_for_people(ca, place, ctx, mutual):
    with Door(place, "--control", "here.sock", "--workers", 2, home=ca) as door:
        assert os.stat(place / "here.sock").st_mode & 0o777 == 0o600
        with connect(door, ctx) as sock, plain(door):
            assert ask(sock, GET)[0] == 200
            shown = mutual("status", "--socket", "here.sock").ok().stdout
            assert f"process {door.process.pid}, up " in shown and f"127.0.0.1:{door.port}" in shown
            peer = "127.0.0.1:%d" % sock.getsockname()[1]
            (line,) = [line for line in shown.splitlines() if line.startswith(peer)]
            assert line.endswith("CN=my-client") and " second" in line and "KiB" in line
            assert "(not admitted)" in shown and "2 open" not in shown
            assert "1 admitted (0 resumed), 0 refused, 1 requests" in shown
        assert door.stop() == 0
    assert not (place / "here.sock").exists()


def test_who_is_there_as_json(ca, place, ctx, mutual):
    with Backend(echo) as backend, Door(place, "--control", "here.sock", "--to", backend.url, home=ca) as door:
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(door, ctx)) for _ in range(5)]
            for sock in socks:
                sock.sendall(b"x" * 1000)
                assert sock.recv(1)
            seen = mutual("status", "--socket", "here.sock", "--json").ok().json()
            peers = {"127.0.0.1:%d" % sock.getsockname()[1] for sock in socks}
        assert {one["peer"] for one in seen["connections"]} == peers
        for one in seen["connections"]:
            assert (one["subject"], one["san"], one["admitted"]) == ("CN=my-client", "DNS:my-client", True)
            assert one["received"] > 1000 and one["sent"] > 1000 and one["age_milliseconds"] >= 0 and one["tls"] == "TLSv1.3"
        assert seen["doors"] == [{"listen": [f"127.0.0.1:{door.port}"], "to": [{"url": backend.url, "connections": 5}]}]
        assert seen["totals"]["admitted"] == 5 and seen["workers"] == seen["workers_alive"]
        assert metrics(str(place / "here.sock"))["mutual_connections_accepted_total"] == 5


def test_the_server_of_the_same_user_is_found_without_being_named(ca, place, mutual):
    where = {"XDG_RUNTIME_DIR": place}
    with Door(place, home=ca, prefix=["env", f"XDG_RUNTIME_DIR={place}"]) as door:
        shown = subprocess.run([BINARY, "status", "--help"], capture_output=True, text=True, timeout=WAIT, check=True).stdout
        for line in shown.split("Example:\n")[1].strip().split("\n"):
            assert f"process {door.process.pid}," in mutual(*shlex.split(line)[1:], env=where).ok().stdout
        assert door.stop() == 0
    mutual("status", env=where).refused("no server with a control socket", "--control PATH")


def test_a_second_server_of_the_same_user_runs_without_one_and_says_so(ca, place, mutual):
    here = ["env", f"XDG_RUNTIME_DIR={place}"]
    with Door(place, home=ca, prefix=here) as first, Door(place, home=ca, prefix=here) as second:
        second.says("another server has it")
        assert second.stop() == 0
        assert mutual("status", "--json", env={"XDG_RUNTIME_DIR": place}).ok().json()["process"] == first.process.pid
        assert first.stop() == 0
    with Door(place, "--control", "none", home=ca, prefix=here) as door:
        assert not (place / "mutual.sock").exists() and door.log == []


def test_one_that_is_asked_for_and_taken_stops_the_start(ca, place, mutual):
    with Door(place, "--control", "here.sock", home=ca):
        mutual("serve", "--listen", "127.0.0.1:0", "--control", "here.sock").refused("here.sock", "--control PATH")
        assert mutual("status", "--socket", "here.sock").code == 0, "the first one still has it"
    mutual("serve", "--listen", "127.0.0.1:0", "--control", "none/here.sock").refused("none/here.sock", "hint: ")
    (place / "file").touch()
    mutual("serve", "--listen", "127.0.0.1:0", "--control", "file").refused("file")


def test_what_a_killed_server_left_is_taken_over(ca, place, mutual):
    with Door(place, "--control", "here.sock", home=ca) as killed:
        killed.signal(signal.SIGKILL)
    assert (place / "here.sock").exists()
    mutual("status", "--socket", "here.sock").refused("does not answer", "hint: check that it runs")
    with Door(place, "--control", "here.sock", home=ca) as door:
        assert f"process {door.process.pid}," in mutual("status", "--socket", "here.sock").ok().stdout


def test_the_status_listener_does_not_tell_who_is_there(ca, place, mutual):
    with Door(place, "--status", f"unix:{place}/open.sock", "--control", "here.sock", home=ca):
        assert ask_status(f"{place}/open.sock", "/status")[0] == 404
        mutual("status", "--socket", "open.sock").refused("is not a server's control socket", "--control PATH")
        status, headers, body = ask_status(f"{place}/here.sock", "/status")
        assert status == 200 and headers["content-type"] == "application/json" and json.loads(body)["connections"] == []


def test_something_else_at_that_place_is_told(place, mutual):
    with Backend(lambda sock: (sock.recv(100), sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]")),
                 place / "odd.sock"):
        mutual("status", "--socket", "odd.sock").refused("is not a server's control socket")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place / "dead.sock"))
    mutual("status", "--socket", "dead.sock").refused("does not answer")
