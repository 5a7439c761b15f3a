"""Doors at one address, told apart by the name of the server that a client asks for."""
import contextlib
import functools
import socket
import ssl

import pytest

from door import WAIT, ask, connect, context
from made_config import client, door_text, serve, write_config

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def config(mutual, ca, place):
    """Write a configuration. There are certificates for a.example and *.wild.example, and `stranger`, a client of another CA."""
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    mutual("issue", "server", "a.example", "--out", "a").ok()
    mutual("issue", "server", "*.wild.example", "--out", "wild").ok()
    mutual("init", "Other CA", home=place / "other").ok()
    mutual("issue", "client", "stranger", home=place / "other", cwd=place).ok()
    return functools.partial(write_config, place / "mutual.yaml")


def named(stem, *names, **more):
    return door_text(names=list(names), certificate=f"{stem}.crt", key=f"{stem}.key", **more)


A = functools.partial(named, "a", "a.example")
WILD = functools.partial(named, "wild", "*.wild.example")


def shown(door, ctx, name):
    """The name in the certificate that a client of this name is shown."""
    with connect(door, ctx, name) as sock:
        status, _, _ = ask(sock, f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert status == 200
        return sock.getpeercert()["subjectAltName"][0][1]


def refused_by_name(door, ctx, name, *words):
    ctx.check_hostname = False
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        connect(door, ctx, name)
    line = door.says(" server-name: ")
    assert all(word in line for word in words), line


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_for_each_name(ca, place, config, version):
    """An exact name, then a wildcard; whoever asks for another, or for none, is refused."""
    with serve(config(WILD(), A(), named("localhost", "x.wild.example", "localhost")), ca) as door:
        ctx = client(place, version=version)
        assert shown(door, ctx, "a.example") == "a.example"
        assert shown(door, ctx, "A.EXAMPLE") == "a.example"
        assert shown(door, ctx, "b.wild.example") == "*.wild.example"
        assert shown(door, ctx, "localhost") == "localhost"
        ctx.check_hostname = False
        assert shown(door, ctx, "x.wild.example") == "localhost", "the exact name"
        refused_by_name(door, ctx, "b.example", '"b.example"')
        refused_by_name(door, ctx, "a.b.wild.example", "wild")
        refused_by_name(door, ctx, "wild.example")
        refused_by_name(door, ctx, None, "asks for no server by name")


def test_a_door_without_names_is_for_all_others(ca, place, config):
    with serve(config(A(), door_text()), ca) as door:
        ctx = client(place)
        ctx.check_hostname = False
        assert shown(door, ctx, "a.example") == "a.example"
        assert shown(door, ctx, "b.example") == "localhost"
        with connect(door, ctx, None) as sock:
            assert sock.getpeercert()["subjectAltName"][0][1] == "localhost"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("first", [0, 1])
def test_trust_belongs_to_the_name(ca, place, config, version, first):
    """Whichever of the two the connection begins with."""
    doors = [A(), WILD(trust="other/ca.crt")]
    with serve(config(doors[first], doors[1 - first]), ca) as door:
        ours, strange = client(place, version=version), client(place, "stranger", version)
        for ctx, name, other in (ours, "a.example", "b.wild.example"), (strange, "b.wild.example", "a.example"):
            shown(door, ctx, name)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                with connect(door, ctx, other) as sock:
                    ask(sock, f"GET / HTTP/1.1\r\nHost: {other}\r\n\r\n")
            door.says(" client-cert-untrusted: ")


def resumes(door, ctx, name, session):
    """Come back, and be let in; was it by the session? And the session of this connection."""
    with connect(door, ctx, name, session) as sock:
        assert ask(sock, f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")[0] == 200
        return sock.session_reused, sock.session


@pytest.mark.parametrize("other_stem", ["wild", "a"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_of_one_door_is_none_of_another(ca, place, config, version, other_stem):
    """Not the one way, not the other, though they have the same certificate; at its own door it is one."""
    ctx = client(place, version=version)
    ctx.check_hostname = False
    with serve(config(A(), named(other_stem, "*.wild.example")), ca) as door:
        for name, other, tickets in ("a.example", "b.wild.example", 0), ("b.wild.example", "a.example", ssl.OP_NO_TICKET):
            ctx.options |= tickets
            _, session = resumes(door, ctx, name, None)
            assert not resumes(door, ctx, other, session)[0]
            _, session = resumes(door, ctx, name, None)
            assert resumes(door, ctx, name, session)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_who_came_without_a_certificate_does_not_come_back_to_where_one_is_required(ca, place, config, version):
    ctx = context(place / "ca.crt", version=version)
    ctx.check_hostname = False
    with serve(config(A(clients="optional", allow=["all", "anonymous"]), WILD()), ca) as door:
        for tickets in 0, ssl.OP_NO_TICKET:
            ctx.options |= tickets
            _, session = resumes(door, ctx, "a.example", None)
            assert resumes(door, ctx, "a.example", session)[0]
            _, session = resumes(door, ctx, "a.example", None)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                resumes(door, ctx, "b.wild.example", session)
            door.says(" client-cert-missing: ")


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_optional(ca, place, config, version):
    """Who has no certificate is let in; a bad one is no better than it was."""
    with serve(config(A(clients="optional", allow=["all", "anonymous"]), above="workers: 1\nlog: [refusals, requests]\n"), ca) as door:
        shown(door, context(place / "ca.crt", version=version), "a.example")
        assert ' request "" - GET / 200' in door.says(" request ")
        shown(door, client(place, version=version), "a.example")
        assert ' request "CN=my-client" ' in door.says(" request ")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shown(door, client(place, "stranger", version), "a.example")
        door.says(" client-cert-untrusted: ")


def test_each_address_has_a_rule_of_its_own(ca, place, config):
    """One door wants a certificate, the other one asks for it, in one server."""
    strict, open_ = door_text("unix:strict"), door_text("unix:open", clients="optional", allow=["all", "anonymous"])
    with serve(config(strict, open_), ca) as door:
        for path, ctx, good in (("strict", client(place), True), ("open", client(place), True),
                                ("open", context(place / "ca.crt"), True), ("strict", context(place / "ca.crt"), False)):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.settimeout(WAIT)
                raw.connect(str(place / path))
                with contextlib.nullcontext() if good else pytest.raises((ssl.SSLError, ConnectionError)):
                    with ctx.wrap_socket(raw, server_hostname="localhost") as sock:
                        assert ask(sock, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
        door.says(" client-cert-missing: ")


def test_tls_versions_belong_to_the_name(ca, place, config):
    ctx = client(place, version=VERSIONS[0])
    for doors in (A(tls_min="1.3"), WILD()), (WILD(), A(tls_min="1.3")):
        with serve(config(*doors), ca) as door:
            assert shown(door, ctx, "b.wild.example") == "*.wild.example"
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                connect(door, ctx, "a.example")
            door.says(" tls-version: ")
            shown(door, client(place, version=VERSIONS[1]), "a.example")


@pytest.mark.parametrize("request_line, host, status", [
    ("GET / HTTP/1.1", "a.example", 200),
    ("GET / HTTP/1.1", "A.example.:8443", 200),
    ("GET / HTTP/1.1", "b.wild.example", 421),
    ("GET / HTTP/1.1", "nobody.example", 421),
    ("GET / HTTP/1.1", "[::1]:443", 421),
    ("GET https://b.wild.example/ HTTP/1.1", "a.example", 421),
    ("GET https://a.example/ HTTP/1.1", "b.wild.example", 200),
])
def test_a_host_of_another_door_gets_421(ca, place, config, request_line, host, status):
    with serve(config(A(), WILD()), ca) as door:
        with connect(door, client(place), "a.example") as sock:
            assert ask(sock, f"{request_line}\r\nHost: {host}\r\n\r\n")[0] == status
            assert ask(sock, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")[0] == 200, "the connection is none the worse"


@pytest.mark.parametrize("after", [
    (A(), WILD(allow="cn=nobody")), (A(),), (WILD(allow="cn=nobody"), named("a", "b.example"))],
    ids=["has a door of its own now", "has none any more", "has one, and the client's has gone"])
def test_a_host_that_went_to_another_door_gets_421_on_connections_of_before(ca, place, config, after):
    """Whoever came when one door had both names has not come to the other one, whose rules may be stricter."""
    ctx = client(place)
    ctx.check_hostname = False
    with serve(config(named("a", "a.example", "*.wild.example", "c.example")), ca) as door:
        with connect(door, ctx, "a.example") as sock:
            request = "GET / HTTP/1.1\r\nHost: {}\r\n\r\n".format
            assert [ask(sock, request(host))[0] for host in ("a.example", "b.wild.example")] == [200, 200]
            config(*after)
            door.says(" reloaded: ")
            assert [ask(sock, request(host))[0] for host in ("a.example", "b.wild.example")] == [200, 421]


def test_a_host_that_has_a_door_gets_421_from_the_one_for_all_others(ca, place, config):
    with serve(config(A(), door_text()), ca) as door:
        with connect(door, client(place)) as sock:
            assert ask(sock, "GET / HTTP/1.1\r\nHost: anything\r\n\r\n")[0] == 200
            assert ask(sock, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")[0] == 421


def test_doors_that_could_not_be_told_apart(mutual, config):
    for doors in (A(), A()), (door_text(), door_text()), (WILD(), named("a", "*.WILD.example")):
        path = config(*doors)
        for command in ("check", path), ("serve", "--config", path):
            mutual(*command).refused("127.0.0.1:", ": two doors at the same address have ")
    mutual("check", config(A(), A(listen="127.0.0.1:1"))).ok()


def test_an_unknown_name_over_a_unix_socket(ca, place, config):
    with serve(config(A(listen="unix:door")), ca):
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(str(place / "door"))
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            client(place).wrap_socket(raw, server_hostname="localhost")
        raw.close()
