"""Files change under a running server: it takes them over as a whole, or not at all, and no client notices."""
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from backend import Backend, echo
from door import WAIT, Door, ask, connect, context, is_let_in, listens_no_more
from metrics import metrics
from made_config import client, door_text, serve, write_config

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def config(ca, place):
    """Write a configuration into place at once."""
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())

    def write(*doors, **more):
        write_config(place / "mutual.new", *doors, **more)
        os.rename(place / "mutual.new", place / "mutual.yaml")
        return place / "mutual.yaml"
    return write


@pytest.fixture
def second(mutual, place):
    """Another certificate for localhost, in second.crt and second.key; its serial number."""
    mutual("issue", "server", "localhost", "--out", "second").ok()
    return mutual("inspect", "second.crt", "--json").json()["objects"][0]["serial"]


def flags(ca, place, *options):
    return Door(place, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", ca / "ca.crt",
                *options, home=ca)


def serial(door, ctx):
    with connect(door, ctx) as sock:
        return sock.getpeercert()["serialNumber"]


def replaced(target, source):
    """By a rename, as editors and mutual do it."""
    (target.parent / ".new").write_bytes(source.read_bytes())
    os.rename(target.parent / ".new", target)


def written(target, source):
    target.write_bytes(source.read_bytes())


@pytest.mark.parametrize("change", [replaced, written])
def test_a_renewed_pair_is_taken_over(ca, place, second, change):
    ctx = client_of(ca, place)
    with flags(ca, place) as door, connect(door, ctx) as old:
        before = serial(door, ctx)
        change(place / "localhost.key", place / "second.key")
        change(place / "localhost.crt", place / "second.crt")
        line = door.says(" reloaded: ")
        assert "1 door is in force anew; changed: " in line and "localhost.crt" in line
        assert serial(door, ctx) == second != before
        assert ask(old, GET)[0] == 200, "who was there before stays"


def client_of(ca, place, version=None):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key", version)


def test_what_mutual_issues_anew_is_taken_over(ca, mutual, place):
    with flags(ca, place) as door:
        before = serial(door, client_of(ca, place))
        mutual("issue", "server", "localhost", "--force").ok()
        door.says(" reloaded: ")
        assert serial(door, client_of(ca, place)) != before


def test_one_file_with_both(ca, place, second):
    def both(name, stem):
        (place / name).write_bytes((place / f"{stem}.crt").read_bytes() + (place / f"{stem}.key").read_bytes())
    both("both.pem", "localhost")
    both("new.pem", "second")
    with Door(place, "--cert", "both.pem", "--cacert", ca / "ca.crt", home=ca) as door:
        os.rename(place / "new.pem", place / "both.pem")
        door.says(" reloaded: ")
        assert serial(door, client_of(ca, place)) == second


def test_links_that_lead_elsewhere(ca, place, second):
    """As Kubernetes does it: the files are links through a directory that is a link itself, which is swapped."""
    for name, stem in ("..1", "localhost"), ("..2", "second"):
        (place / "mount" / name).mkdir(parents=True)
        for ending in ("crt", "key"):
            (place / "mount" / name / f"tls.{ending}").write_bytes((place / f"{stem}.{ending}").read_bytes())
    os.symlink("..1", place / "mount" / "..data")
    for ending in ("crt", "key"):
        os.symlink(f"..data/tls.{ending}", place / "mount" / f"tls.{ending}")
    with Door(place, "--cert", "mount/tls.crt", "--key", "mount/tls.key", "--cacert", ca / "ca.crt", home=ca) as door:
        os.symlink("..2", place / "mount" / "..new")
        os.rename(place / "mount" / "..new", place / "mount" / "..data")
        door.says(" reloaded: ")
        assert serial(door, client_of(ca, place)) == second


def test_what_the_kernel_does_not_tell_of_is_found_by_looking(ca, place, second):
    """A directory on the way is a link, and lies where nobody listens."""
    for name, stem in ("a", "localhost"), ("b", "second"):
        (place / name).mkdir()
        for ending in ("crt", "key"):
            (place / name / f"tls.{ending}").write_bytes((place / f"{stem}.{ending}").read_bytes())
    (place / "links").mkdir()
    os.symlink("../a", place / "links" / "now")
    with Door(place, "--cert", "links/now/tls.crt", "--key", "links/now/tls.key", "--cacert", ca / "ca.crt",
              "--sandbox", "off", home=ca) as door:
        os.symlink("../b", place / "links" / "new")
        os.rename(place / "links" / "new", place / "links" / "now")
        door.says(" reloaded: ")
        assert serial(door, client_of(ca, place)) == second


def test_half_a_pair_is_waited_out(ca, place, second):
    """The old pair stays, and it is said once; the other half brings the new one."""
    ctx = client_of(ca, place)
    with flags(ca, place) as door:
        before = serial(door, ctx)
        replaced(place / "localhost.key", place / "second.key")
        assert "the doors before stay in force" in door.says(" reload-waiting: ")
        (place / "localhost.key").touch()
        assert serial(door, ctx) == before
        replaced(place / "localhost.crt", place / "second.crt")
        door.says(" reloaded: ")
        assert serial(door, ctx) == second
        assert sum("reload-waiting" in line for line in door.log) == 1


@pytest.mark.parametrize("broken, content, words", [
    ("localhost.crt", b"", "is empty"),
    ("localhost.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n", "cut off"),
    ("trust.crt", b"no certificate", "trust.crt"),
    ("trust.crt", None, "cannot read"),
    ("ca.crl", b"-----BEGIN X509 CRL-----\n", "ca.crl"),
    ("mutual.yaml", b"doors: [{}]\n", "mutual.yaml:1:9: this door has no listen"),
])
def test_a_broken_file_changes_nothing(ca, mutual, place, config, broken, content, words):
    """It is said, and counted no client; when the file is whole again, all is well."""
    mutual("crl").ok()
    (place / "trust.crt").write_bytes((ca / "ca.crt").read_bytes())
    (place / "ca.crl").write_bytes((ca / "ca.crl").read_bytes())
    with serve(config(door_text(trust="trust.crt", crl="ca.crl"), above="workers: 1\nstatus: unix:status\n"), ca) as door:
        good = (place / broken).read_bytes()
        if content is None:
            (place / broken).unlink()
        else:
            (place / broken).write_bytes(content)
        line = door.says(" reload-failed: ")
        assert words in line and "the doors before stay in force" in line
        assert is_let_in(door, client(place))
        door.signal(signal.SIGHUP)
        door.says(" reload-failed: ")
        assert metrics(str(place / "status"))["mutual_reloads_failed_total"] >= 2
        (place / broken).write_bytes(good)
        assert broken in door.says(" reloaded: ")
        assert metrics(str(place / "status"))["mutual_reloads_total"] == 1
        assert is_let_in(door, client(place))
        door.told = False
        assert door.stop() == 0


class Load:
    """Clients that come, ask and go, all the time; what went wrong for them."""

    def __init__(self, door, ctx, clients=3):
        self.door, self.ctx, self.served, self.errors, self.over = door, ctx, 0, [], False
        self.threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        session = None
        while not self.over:
            try:
                with connect(self.door, self.ctx, session=session) as sock:
                    assert ask(sock, GET)[0] == 200
                    session = sock.session
                self.served += 1
            except Exception as error:  # whatever it is, a client has seen it
                self.errors.append(error)
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for thread in self.threads:
            thread.join(WAIT)


def test_reload_under_load(ca, place, second):
    """No connection is dropped and no handshake fails, whatever is replaced how often."""
    for stem in ("localhost", "second"):
        (place / f"{stem}.pem").write_bytes((place / f"{stem}.crt").read_bytes() + (place / f"{stem}.key").read_bytes())
    ctx = client_of(ca, place)
    with flags(ca, place, "--workers", 2) as door, connect(door, ctx) as old, Load(door, ctx) as load:
        for stem in ("second", "localhost") * 3:
            replaced(place / "localhost.key", place / f"{stem}.pem")
            replaced(place / "localhost.crt", place / f"{stem}.pem")
            door.signal(signal.SIGHUP)
            door.says(" reloaded: ")
            assert ask(old, GET)[0] == 200
            served = load.served
            while load.served < served + 10 and not load.errors:
                pass
        load.__exit__()
        assert load.errors == []


def over_unix(place, name, ctx):
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(WAIT)
    raw.connect(str(place / name))
    return ctx.wrap_socket(raw, server_hostname="localhost")


def test_doors_come_and_go(ca, place, config):
    """New addresses are listened at, old ones no more; those that stay keep their sockets, and connections their doors."""
    (place / "www").mkdir()
    (place / "www" / "index.html").write_text("a page")
    with serve(config(door_text(), door_text("unix:old"), above="workers: 2\n"), ca) as door:
        with over_unix(place, "old", client(place)) as old:
            config(door_text(files="www"), door_text("unix:new"), above="workers: 2\n")
            line = door.says(" reloaded: ")
            assert "2 doors are in force anew" in line and "mutual.yaml" in line
            assert ask(old, GET)[2] == b"Hello World"
        with over_unix(place, "new", client(place)) as new:
            assert ask(new, GET)[2] == b"Hello World"
        assert not (place / "old").exists()
        with connect(door, client(place)) as sock:
            assert ask(sock, GET)[2] == b"a page", "the same port"
        config(door_text(files="www"), above="workers: 1\n")
        door.says(" reloaded: ")
        assert "until the next start" in door.says(" reload-warning: ")
        assert not (place / "new").exists()
        assert door.stop() == 0


def test_an_address_that_cannot_be_had_changes_nothing(ca, place, config):
    with serve(config(door_text(), door_text("unix:old")), ca) as door:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            config(door_text(files="."), door_text("unix:new"), door_text(f"127.0.0.1:{other.getsockname()[1]}"))
            door.says(" reload-failed: ")
            (place / "www").mkdir()
            config(door_text(files="www"), door_text("unix:new"), door_text(f"127.0.0.1:{other.getsockname()[1]}"))
            assert "cannot listen on 127.0.0.1:" in door.says(" reload-failed: ")
        assert not (place / "new").exists()
        with connect(door, client(place)) as sock:
            assert ask(sock, GET)[2] == b"Hello World"


def test_who_is_carried_to_a_backend_stays_there(ca, place, config):
    with Backend(echo) as first, Backend(echo) as other:
        with serve(config(door_text(to=first.url)), ca) as door, connect(door, client(place)) as old:
            old.sendall(b"a")
            assert old.recv(10) == b"a"
            config(door_text(to=other.url))
            door.says(" reloaded: ")
            old.sendall(b"b")
            assert old.recv(10) == b"b"
            with connect(door, client(place)) as new:
                new.sendall(b"c")
                assert new.recv(10) == b"c"
            assert (first.accepted, other.accepted) == (1, 1)


def test_names_and_clients_change(ca, place, config):
    nobody = context(place / "ca.crt")
    with serve(config(door_text(names=["localhost"])), ca) as door:
        config(door_text(names=["localhost"], clients="optional", allow=["all", "anonymous"]))
        door.says(" reloaded: ")
        assert is_let_in(door, nobody)
        config(door_text(names=["a.example"]))
        door.says(" reloaded: ")
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            connect(door, client(place))


def test_sighup_during_drain(ca, place):
    """It is stopping: a reload is told nobody of, and must not end what is under way."""
    with Backend(echo) as backend, flags(ca, place, "--to", backend.url) as door, connect(door, client_of(ca, place)) as sock:
        sock.sendall(b"a")
        assert sock.recv(10) == b"a"
        door.signal(signal.SIGTERM)
        listens_no_more(door)
        door.signal(signal.SIGHUP)
        sock.sendall(b"b")
        assert sock.recv(10) == b"b"
        with contextlib.suppress(OSError):
            sock.unwrap()
        sock.close()
        assert door.process.wait(WAIT) == 0
        assert not any("reload" in line for line in door.log)


def test_events_as_json(ca, place):
    with flags(ca, place, "--json") as door:
        door.signal(signal.SIGHUP)
        event = json.loads(door.says('"reload"'))
        assert event["id"] == "reloaded" and event["sentence"] == "1 door is in force anew"


def test_a_key_with_a_passphrase_in_a_file(ca, mutual, place):
    """It is read again, and nobody is asked."""
    (place / "pass").write_text("correct horse\n")
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", "localhost.key", "-out", "locked.key", "-passout", "file:pass"],
                   cwd=place, check=True, timeout=WAIT)
    with Door(place, "--cert", "localhost.crt", "--key", "locked.key", "--cacert", ca / "ca.crt", "--passphrase-file", "pass",
              home=ca) as door:
        door.signal(signal.SIGHUP)
        door.says(" reloaded: ")


def test_a_certificate_in_memory_is_made_anew(ca, mutual, tmp_path):
    with Door(tmp_path, home=ca) as door:
        ctx = context(ca / "ca.crt")
        door.signal(signal.SIGHUP)
        door.says(" reloaded: ")
        with connect(door, ctx):
            pass
