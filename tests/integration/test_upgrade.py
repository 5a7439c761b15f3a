"""SIGUSR2: another process takes the sockets over, and no client is refused between the two."""
import contextlib
import functools
import os
import pathlib
import re
import shutil
import signal
import socket
import threading

import pytest

from backend import Backend, echo
from door import BINARY, WAIT, Door, ask, connect, context, until
from made_config import client, door_text, serve, write_config
from metrics import ask_status
import test_reload
from test_reload import Load, client_of, over_unix

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def flags(ca, place, *options, sandbox="on"):
    return test_reload.flags(ca, place, "--sandbox", sandbox, *options)


def successor(door):
    """The process that has taken over, which says what the first one said at its start."""
    pid = int(re.search(r"handed-on: process (\d+) has taken over", door.says(" handed-on: ")).group(1))
    while door.process.stdout.readline() != door.ready:
        pass
    return pid


@contextlib.contextmanager
def ended(pid):
    """It is nobody's child of ours: when it has ended, the log that it holds open is at its end."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_no_client_is_refused(ca, place, sandbox):
    """Under load, from one process to the next, and from that on to a third."""
    ctx = client_of(ca, place)
    with flags(ca, place, "--workers", 2, "--stop-timeout", "1s", sandbox=sandbox) as door, Load(door, ctx) as load:
        door.signal(signal.SIGUSR2)
        second = successor(door)
        assert door.process.wait(WAIT) == 0
        os.kill(second, signal.SIGUSR2)
        with ended(successor(door)):
            served = load.served
            while load.served < served + 20 and not load.errors:
                pass
            load.__exit__()
            assert load.errors == []


def test_who_is_there_stays_until_it_is_done(ca, place):
    ctx = client_of(ca, place)
    with Backend(echo) as backend, flags(ca, place, "--to", backend.url) as door:
        with connect(door, ctx) as old:
            old.sendall(b"a")
            assert old.recv(10) == b"a"
            door.signal(signal.SIGUSR2)
            with ended(successor(door)):
                with connect(door, ctx) as new:
                    new.sendall(b"b")
                    assert new.recv(10) == b"b"
                old.sendall(b"c")
                assert old.recv(10) == b"c"
                old.close()
                assert door.process.wait(WAIT) == 0
                with connect(door, ctx) as new:
                    new.sendall(b"d")
                    assert new.recv(10) == b"d"


def test_the_program_may_be_another_by_now(ca, place):
    """A package puts a new one into the place of the old; one that does not start changes nothing."""
    shutil.copy(BINARY, place / "mutual")
    with Door(place, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", ca / "ca.crt", home=ca,
              binary=str(place / "mutual")) as door:
        (place / "new").write_text("#!/bin/sh\nexit 1\n")
        (place / "new").chmod(0o755)
        os.rename(place / "new", place / "mutual")
        door.signal(signal.SIGUSR2)
        assert "has ended before it could" in door.says(" upgrade-failed: ")
        with connect(door, client_of(ca, place)) as sock:
            assert ask(sock, GET)[0] == 200
        shutil.copy(BINARY, place / "new")
        os.rename(place / "new", place / "mutual")
        door.signal(signal.SIGUSR2)
        with ended(successor(door)):
            assert door.process.wait(WAIT) == 0
            with connect(door, client_of(ca, place)) as sock:
                assert ask(sock, GET)[0] == 200


def test_who_is_told_to_stop_while_another_is_starting_waits_for_that(ca, place):
    """It would take the names of its Unix sockets with it, which are the other one's by then."""
    shutil.copy(BINARY, place / "mutual")
    with Door(place, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", ca / "ca.crt", home=ca,
              listen=("--listen", "unix:door"), binary=str(place / "mutual")) as door:
        (place / "new").write_text(f"#!/bin/sh\ntouch begun\nwhile [ ! -e go ]; do sleep 0.1; done\nexec {BINARY} \"$@\"\n")
        (place / "new").chmod(0o755)
        os.rename(place / "new", place / "mutual")
        door.signal(signal.SIGUSR2)
        until((place / "begun").exists)
        door.signal(signal.SIGTERM)
        (place / "go").touch()
        with ended(successor(door)):
            assert door.process.wait(WAIT) == 0
            with over_unix(place, "door", client_of(ca, place)) as sock:
                assert ask(sock, GET)[0] == 200


def test_what_the_first_of_three_says_late_reaches_the_last(ca, place, mutual):
    """It was at something else when the second one began to serve, which has made way for a third by now."""
    shutil.copy(BINARY, place / "mutual")
    kick = functools.partial(mutual, "kick", "--socket", place / "control")
    with Door(place, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", ca / "ca.crt", "--control", place / "control",
              home=ca, binary=str(place / "mutual")) as door:
        kick("ben").ok()
        (place / "new").write_text(f"#!/bin/sh\necho $$ > pid; mv pid begun\nwhile [ ! -e go ]; do sleep 0.1; done\nexec {BINARY} \"$@\"\n")
        (place / "new").chmod(0o755)
        os.rename(place / "new", place / "mutual")
        door.signal(signal.SIGUSR2)
        until((place / "begun").exists)
        second = int((place / "begun").read_text())
        door.signal(signal.SIGSTOP)
        (place / "go").touch()
        with ended(second):
            while door.process.stdout.readline() != door.ready:
                pass
            os.kill(second, signal.SIGUSR2)
            with ended(successor(door)):
                door.signal(signal.SIGCONT)
                until(lambda: "cn=ben" in kick("--list").ok().stdout)
                assert door.process.wait(WAIT) == 0


@pytest.mark.parametrize("change", ["moved aside", "behind a link", "found in PATH"])
def test_the_place_is_that_by_which_it_was_called(ca, place, monkeypatch, change):
    for name in "one", "two":
        (place / name).mkdir()
    shutil.copy(BINARY, place / "one" / "mutual")
    (place / "two" / "mutual").write_text("#!/bin/sh\nexit 1\n")
    (place / "two" / "mutual").chmod(0o755)
    called = place / ("one" if change == "moved aside" else "now") / "mutual"
    if change != "moved aside":
        (place / "now").symlink_to("one")
    if change == "found in PATH":
        monkeypatch.setenv("PATH", f"/nowhere:{called.parent}:{os.environ['PATH']}")
    with Door(place, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", ca / "ca.crt", home=ca,
              binary="mutual" if change == "found in PATH" else str(called)) as door:
        if change == "moved aside":
            os.rename(called, place / "one" / "mutual.old")
            os.rename(place / "two" / "mutual", called)
        else:
            (place / "new").symlink_to("two")
            os.rename(place / "new", place / "now")
        door.signal(signal.SIGUSR2)
        assert "has ended before it could" in door.says(" upgrade")
        assert door.process.poll() is None


def test_each_kind_of_socket(ca, place, monkeypatch):
    """A Unix socket keeps its name, the port for probes its number; fewer workers leave no socket without anybody."""
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    path = place / "mutual.yaml"
    doors = door_text(["127.0.0.1:0", "unix:door"])
    write_config(path, doors, above="workers: 4\nstatus: unix:status\n")
    with serve(path, ca) as door:
        inode = (place / "door").stat().st_ino
        write_config(path, doors, above="workers: 1\nstatus: unix:status\n")
        door.says(" reload-warning: ")
        door.signal(signal.SIGUSR2)
        with ended(successor(door)):
            assert door.process.wait(WAIT) == 0
            assert (place / "door").stat().st_ino == inode
            with over_unix(place, "door", client(place)) as sock:
                assert ask(sock, GET)[0] == 200
            for _ in range(12):
                with connect(door, client(place)) as sock:
                    assert ask(sock, GET)[0] == 200
            assert ask_status(str(place / "status"), "/healthz")[0] == 200


def test_there_may_be_more_sockets_than_the_soft_limit_has_room_for(ca, place):
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    doors = [door_text(f"unix:{i}") for i in range(40)]
    with serve(write_config(place / "mutual.yaml", *doors), ca, prefix=["prlimit", "--nofile=32:1024"]) as door:
        door.signal(signal.SIGUSR2)
        with ended(successor(door)), over_unix(place, "39", client(place)) as sock:
            assert ask(sock, GET)[0] == 200


def test_systemd_is_told_who_serves(ca, place):
    notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notes.bind(str(place / "notify"))
    notes.settimeout(WAIT)
    os.environ["NOTIFY_SOCKET"] = str(place / "notify")
    try:
        with flags(ca, place) as door:
            assert notes.recv(100) == b"READY=1"
            door.signal(signal.SIGUSR2)
            pid = successor(door)
            with ended(pid):
                assert notes.recv(100) == b"READY=1", "the new one's"
                assert notes.recv(100) == b"MAINPID=%d" % pid
                assert door.process.wait(WAIT) == 0
                notes.setblocking(False)
                with pytest.raises(BlockingIOError):
                    notes.recv(100)
    finally:
        del os.environ["NOTIFY_SOCKET"]
        notes.close()


def standby_of(pid):
    """The process outside of the sandbox."""
    [standby] = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(standby)


def sockets_of(pid):
    found = 0
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += os.readlink(fd).startswith("socket:")
    return found


def test_no_generation_holds_more_sockets_than_the_one_before(ca, place):
    """The kernel would give clients to a listening socket that is held and not served, and they would wait for ever."""
    with flags(ca, place, "--workers", 2) as door:
        first = sockets_of(door.process.pid)
        door.signal(signal.SIGUSR2)
        second = successor(door)
        with ended(second):
            os.kill(second, signal.SIGUSR2)
            with ended(third := successor(door)):
                until(lambda: sockets_of(third) == first)  # there is one more until the one before has ended
                standby = standby_of(third)
                until(lambda: sockets_of(standby) == 1)  # its own; it may still be letting go of the server's


def test_without_the_process_that_stands_by_nothing_changes(ca, place):
    with flags(ca, place) as door:
        os.kill(standby_of(door.process.pid), signal.SIGKILL)
        door.signal(signal.SIGUSR2)
        assert "the process that stands by could not start another; hint: restart" in door.says(" upgrade-failed: ")
        with connect(door, client_of(ca, place)) as sock:
            assert ask(sock, GET)[0] == 200
        door.told = False
        assert door.stop() == 0


def test_the_process_that_stands_by_ends_with_the_server_and_not_before(ca, place):
    with flags(ca, place) as door:
        standby = standby_of(door.process.pid)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            os.kill(standby, number)
        assert standby_of(door.process.pid) == standby
        door.process.kill()
        door.process.wait(WAIT)
        door._reader.join(WAIT)
        assert not door._reader.is_alive(), "it holds standard error open while it is there"
