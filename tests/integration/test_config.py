"""Doors that a file describes: `mutual serve --config` and `mutual check`."""
import contextlib
import functools
import socket
import ssl

import pytest

from backend import Backend, echo
from door import Door, ask, connect, context, plain, refused
from made_config import client, door_text, write_config

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def config(ca, place):
    """Write a configuration of such doors."""
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    return functools.partial(write_config, place / "mutual.yaml")


def serve(config, ca, tmp_path_factory):
    """In a directory that has nothing of it."""
    return Door(tmp_path_factory.mktemp("elsewhere"), "--config", config, home=ca, listen=())


def test_doors_of_a_file(ca, place, config, tmp_path_factory):
    """Each has its own address, certificate, trust and content; paths are relative to the file."""
    (place / "www").mkdir()
    (place / "www" / "index.html").write_text("a page")
    with serve(config(door_text(), door_text("unix:door", files="www"), above="workers: 1\nlog: [refusals, requests]\n"), ca,
               tmp_path_factory) as door:
        assert f"2 doors of {place / 'mutual.yaml'} at 127.0.0.1:" in door.ready and f"unix:{place / 'door'}" in door.ready
        with connect(door, client(place)) as sock:
            assert ask(sock, GET)[2] == b"Hello World"
        door.says(" request ")
        refused(door, context(place / "ca.crt"), "client-cert-missing")
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(str(place / "door"))
        with client(place).wrap_socket(raw, server_hostname="localhost") as sock:
            assert ask(sock, GET)[2] == b"a page"
        assert door.stop() == 0


def test_a_door_in_front_of_a_backend(ca, place, config, tmp_path_factory):
    with Backend(echo) as backend, serve(config(door_text(to=backend.url)), ca, tmp_path_factory) as door:
        with connect(door, client(place)) as sock:
            sock.sendall(b"anything")
            assert sock.recv(100) == b"anything"


@pytest.mark.parametrize("scheme", ["", "http://", "h2c://"])
def test_the_path_of_a_backend_is_relative_to_the_file(mutual, place, config, scheme, tmp_path_factory):
    told = mutual("check", config(door_text(to=f"{scheme}unix:backend")), cwd=tmp_path_factory.mktemp("elsewhere")).ok()
    assert f" {scheme}unix:{place / 'backend'}\n" in told.stdout


def test_each_door_trusts_its_own(ca, mutual, place, config, tmp_path_factory):
    mutual("init", "Other CA", home=place / "other").ok()
    mutual("issue", "client", "stranger", home=place / "other", cwd=place).ok()
    with serve(config(door_text(), door_text("unix:door", trust=["other/ca.crt"])), ca, tmp_path_factory) as door:
        for name, trusted in ("my-client", False), ("stranger", True):
            raw = socket.socket(socket.AF_UNIX)
            raw.connect(str(place / "door"))
            with contextlib.suppress(ssl.SSLError, ConnectionError), \
                    client(place, name).wrap_socket(raw, server_hostname="localhost") as sock:
                assert ask(sock, GET)[0] == 200 and trusted
            if not trusted:
                door.says(" client-cert-untrusted: ")
        refused(door, client(place, "stranger"), "client-cert-untrusted")


def test_a_file_and_options_are_one_too_many(mutual, config):
    mutual("serve", "--config", config(), "--listen", "localhost:1").refused("--listen belongs into that file", code=2)
    mutual("serve", "--config", config(), "--workers", 1).refused("--workers belongs into that file", code=2)


@pytest.mark.parametrize("wrong, words", [
    (dict(trust="none.crt"), ("mutual.yaml:3:5: cannot read ", "none.crt", "relative to that file")),
    (dict(trust="localhost.crt"), ("mutual.yaml:3:5: ", "which is not a CA")),
    (dict(crl="ca.crt"), ("mutual.yaml:3:5: ", "not a certificate revocation list")),
    (dict(key="my-client.key"), ("mutual.yaml:3:5: ", "does not belong to the certificate")),
    (dict(key=None), ("mutual.yaml:3:5: ", "localhost.crt holds")),
    (dict(listen="localhost"), ("mutual.yaml:3:5: ", "has no port")),
    (dict(to="http//a"), ("mutual.yaml:3:5: ", "is not the address of a backend")),
    (dict(files="."), ("mutual.yaml:3:5: every client could fetch the private key",)),
    (dict(trusts="ca.crt"), ('mutual.yaml:7:5: there is no key "trusts" in a door', "the keys there are: ")),
    (dict(trust=None), ("mutual.yaml:3:5: this door has no trust",)),
])
def test_what_would_not_start(ca, mutual, config, wrong, words):
    """`check` says so, and the server says the same; neither lets anybody in."""
    path = config(door_text(**wrong))
    assert mutual("check", path).refused(*words).stderr == mutual("serve", "--config", path).refused(*words).stderr
    error = mutual("check", path, "--json")
    assert error.code == 1 and words[0] in error.json()["error"]["what"]


def test_check_says_what_would_be_done(ca, mutual, place, config):
    path = config(door_text("localhost:1"), door_text(["127.0.0.1:2", "systemd:web"], to=["tcp://127.0.0.1:3"], crl="ca.crl"))
    mutual("crl").ok()
    (place / "ca.crl").write_bytes((ca / "ca.crl").read_bytes())
    shown = mutual("check", path).ok().stdout
    for words in ("would be served: 2 doors, 1 workers", "127.0.0.1:1, [::1]:1", '"localhost", until 20', "clients of   my-ca",
                  "Hello World", "127.0.0.1:2, systemd:web", "tcp://127.0.0.1:3"):
        assert words in shown, shown
    found = mutual("check", path, "--json").ok().json()
    assert [door["line"] for door in found["doors"]] == [3, 7]
    assert found["doors"][0]["addresses"] == ["127.0.0.1:1", "[::1]:1"] and found["doors"][1]["to"] == ["tcp://127.0.0.1:3"]
    assert found["doors"][0]["warnings"] == []


def test_check_shows_where_revocation_is_asked_for(mutual, config):
    path = config(door_text(fetch_crl=["crl.example", "10.0.0.1:8080"], fetch_ocsp="all", crl_grace="12h"), above="crl_cache: .\n")
    shown = mutual("check", path).ok().stdout
    assert "crl.example, 10.0.0.1:8080" in shown and "ask ocsp at" in shown
    (door,) = mutual("check", path, "--json").ok().json()["doors"]
    assert door["fetch_crl"] == ["crl.example", "10.0.0.1:8080"] and door["fetch_ocsp"] == ["all"]
    mutual("check", config(door_text(fetch_crl="http://crl.example/"))).refused('"http://crl.example/" is not HOST, HOST:PORT or all')


def test_check_warns_of_what_turns_clients_away(mutual, place, config):
    mutual("init", "Other CA", home=place / "other").ok()
    mutual("crl", home=place / "other").ok()
    path = config(door_text(crl="other/ca.crl"))
    assert 'is from the CA "my-ca": all its clients will be refused' in mutual("check", path).ok().stderr
    assert len(mutual("check", path, "--json").ok().json()["doors"][0]["warnings"]) == 1


def test_check_opens_nothing(mutual, config, ca, tmp_path_factory):
    """It can be asked while the server runs."""
    with serve(config(), ca, tmp_path_factory) as door:
        mutual("check", config(door_text(f"127.0.0.1:{door.port}"))).ok()
        with plain(door):
            pass
