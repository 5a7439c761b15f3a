"""Who may come in to what: rules of doors and routes, limits, and what a backend is told."""
import base64
import contextlib
import functools
import hashlib
import json
import re
import shutil
import signal
import ssl
import subprocess
import urllib.parse

import pytest

import h2
from backend import Backend, echo
from conftest import Mutual
from door import Door, Wire, ask, connect, context, read_all, refused, until
from made_config import client, door_text, serve, write_config
from metrics import metrics, status_of

GET = "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory, model):
    """Certificates of alice, who is in ops and has a SPIFFE ID, and of bob."""
    directory = tmp_path_factory.mktemp("access")
    home = tmp_path_factory.mktemp("home") / "mutual"
    shutil.copytree(model / "more", home)
    mutual = Mutual(home, directory)
    mutual("issue", "server", "localhost").ok()
    mutual("issue", "client", "alice", "--san", "alice.example.com", "--san", "spiffe://example.org/ns/web").ok()
    mutual("issue", "client", "bob").ok()
    (directory / "ca.crt").write_bytes((model / "more" / "ca.crt").read_bytes())
    return directory


@pytest.fixture
def world(made, tmp_path):
    for file in made.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / file.name).chmod(file.stat().st_mode)
    return tmp_path


def tell_all(sock, name="one"):
    """A backend that says what it was asked, and stays."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return
            data += piece
        head, data = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and len(data) < int(length.group(1)):
            data += sock.recv(65536)
        data = data[int(length.group(1)) if length else 0:]
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-Backend: %s\r\nContent-Length: %d\r\n\r\n%s" % (name.encode(), len(head), head))


def http(backend):
    return backend.url.replace("tcp://", "http://")


def get(door, who, target="/", method="GET", host="localhost", more=""):
    """(status, headers, body) of one request on a connection of its own."""
    with connect(door, who) as sock:
        return ask(sock, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")


def problem(answer):
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    found = json.loads(body)
    assert found["status"] == status
    return found


# --- The one door of options ---


def test_a_door_that_hands_on_must_be_told_for_whom(mutual, ca, place):
    mutual("serve", "--to", "http://127.0.0.1:1").refused("nothing says which of them", "--allow all", code=2)
    mutual("serve", "--allow", "web").refused("there is no KIND= in front", "dns=*.example.com", code=2)
    mutual("serve", "--deny", "foo=x").refused("there is no such kind", code=2)
    mutual("serve", "--allow", "anonymous").refused("clients: optional", code=2)
    mutual("serve", "--rate", "1").refused("--rate takes a rate such as 100/s", code=2)
    mutual("serve", "--max-header-size", "1KB").refused("--max-header-size takes a size", code=2)
    mutual("serve", "--tell", "Cookie").refused("--tell takes Client-Cert", code=2)
    mutual("serve", "--tell", "Client-Cert").refused("only a backend that speaks HTTP", code=2)
    path = write_config(place / "mutual.yaml", door_text(to="tcp://127.0.0.1:1", allow=None))
    mutual("check", path).refused("mutual.yaml:3:5: this door hands its clients on", "allow: all")


def test_who_is_not_let_in_gets_the_reason_and_so_does_the_log(world, model):
    """Of a door that answers itself and of one that hands on; the connection of the first goes on."""
    options = ("--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--allow", "uri=spiffe://example.org/**",
               "--allow", "cn=carol", "--log", "refusals,requests", "--status", "127.0.0.1:0", "--workers", 1)
    with Backend(tell_all) as backend:
        for to in (), ("--to", http(backend)):
            with Door(world, *options, *to, home=model / "more") as door:
                assert get(door, client(world, "alice"))[0] == 200
                found = problem(get(door, client(world, "bob")))
                assert found["status"] == 403 and found["title"] == "Forbidden" and found["rule"] == "door.allow"
                assert found["client"] == "dns=bob, cn=bob" and found["id"] == "access-not-allowed"
                line = door.says(" refused access-not-allowed: ")
                assert "known as dns=bob, cn=bob; allowed are uri=spiffe://example.org/**, cn=carol (door.allow); hint: " in line
                assert " 403" in door.says(' request "CN=bob" ')
                assert metrics(status_of(door))['mutual_refused_total{reason="access-not-allowed"}'] == 1
        assert backend.accepted == 1  # nobody else came through
    with Door(world, *options[:6], "--deny", "serial=FF", "--deny", "cn=b*", home=model / "more") as door:
        with connect(door, client(world, "bob")) as sock:
            for _ in range(2):
                assert problem(ask(sock, GET.format("/")))["rule"] == "door.deny.2"
        assert get(door, client(world, "alice"))[0] == 200


def test_a_refused_request_does_not_end_the_connection(routed):
    """Unless there is a body behind it, which nobody waits for; and what was sent ahead is answered."""
    door, directory = routed
    with connect(door, client(directory, "bob")) as sock:
        assert ask(sock, GET.format("/admin/x"))[0] == 403
        assert ask(sock, GET.format("/x"))[0] == 200
        sock.sendall(GET.format("/admin/x").encode() + GET.format("//admin").encode() + b"HEAD /admin/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
                     + b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data, _ = read_all(sock)
        assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"403", b"400", b"403", b"200"] and b"GET /last " in data
    for more in "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n":
        with connect(door, client(directory, "bob")) as sock:
            sock.sendall(f"GET /admin/x HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode() + GET.format("/x").encode())
            data, _ = read_all(sock) if "Upgrade" not in more else (sock.recv(65536), None)
            assert data.startswith(b"HTTP/1.1 403") and ("Upgrade" in more or data.count(b"HTTP/1.1") == 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_are_carried_by_identity_alone(world, model, version):
    """Refused after TLS, by a reset: an end in order could be taken for an empty answer. Resumed sessions are judged, too."""
    with Backend(echo) as backend, Door(world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to",
                                        backend.url, "--allow", "dns=*.example.com", "--workers", 1, home=model / "more") as door:
        with connect(door, client(world, "alice", version)) as sock:
            sock.sendall(b"a")
            assert sock.recv(10) == b"a"
        bob, session = client(world, "bob", version), None
        for _ in range(2):
            with contextlib.suppress(ConnectionError), connect(door, bob, session=session) as sock:
                session = sock.session
                assert read_all(sock)[0] == b""
            assert "known as dns=bob, cn=bob; allowed are dns=*.example.com" in door.says(" refused access-not-allowed: ")
        with pytest.raises(ConnectionError), Wire(door, bob) as wire:
            wire.recv(10)
        assert backend.accepted == 1


# --- Routes ---


@pytest.fixture(scope="module")
def routed(made, model, tmp_path_factory):
    """A door with routes, and a backend of its own for one of them: (door, directory)."""
    with Backend(tell_all) as one, Backend(functools.partial(tell_all, name="two")) as two:
        path = made / "routes.yaml"
        write_config(path, door_text(
            clients="optional", to=http(one), allow=["dns=*.example.com", "cn=bob"], deny="cn=mallory", routes=[
                {"path": "/admin", "allow": "uri=spiffe://example.org/ns/*", "id": "admin", "to": http(two)},
                {"path": "/admin/status", "method": "GET", "allow": ["all"]},
                {"path": "/public", "allow": ["all", "anonymous"]},
                {"path": "/public/drafts", "deny": "all"},
                {"method": "DELETE", "allow": "none"},
                {"host": "internal.example", "allow": "cn=alice"},
            ]), above="workers: 1\nlog: [refusals, requests]\n")
        with serve(path, model / "more") as door:
            yield door, made


@pytest.mark.parametrize("who, method, target, expected", [
    ("alice", "GET", "/", 200),
    ("bob", "GET", "/", 200),
    (None, "GET", "/", "door.allow"),
    ("alice", "GET", "/admin/x", 200),
    ("bob", "GET", "/admin/x", "admin.allow"),
    ("bob", "GET", "/admin/status", 200),
    ("bob", "HEAD", "/admin/status", 200),
    ("bob", "POST", "/admin/status", "admin.allow"),
    (None, "GET", "/admin/status", "route-2.allow"),
    (None, "GET", "/public/x", 200),
    ("alice", "GET", "/public/drafts", "route-4.deny.1"),
    (None, "GET", "/public/drafts", "door.allow"),
    ("alice", "DELETE", "/x", "route-5.allow"),
    ("bob", "DELETE", "/admin/status", "admin.allow"),
    ("bob", "GET", "https://localhost/admin/x", "admin.allow"),
    ("bob", "GET", "/%61dmin/x", "admin.allow"),
    ("bob", "OPTIONS", "*", 200),
    ("bob", "GET", "/public/../admin/x", 400),
    (None, "GET", "/public/%2e%2e/admin/x", 400),
    (None, "GET", "/public/..%2fadmin/x", 400),
    (None, "GET", "/public/..;/admin/x", 400),
    ("bob", "GET", "//admin/x", 400),
    ("bob", "GET", "/ADMIN/x", 400),
    ("bob", "GET", "/admin;v=1/x", 400),
    ("bob", "GET", "/%2561dmin/x", 400),
    ("bob", "GET", "https://localhost//admin/x", 400),
])
def test_the_most_specific_route_decides(routed, who, method, target, expected):
    door, directory = routed
    ctx = context(directory / "ca.crt") if who is None else client(directory, who)
    with connect(door, ctx) as sock:
        sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        data, _ = read_all(sock)
    head, body = data.split(b"\r\n\r\n", 1)
    status = int(head.split()[1])
    if expected == 200:
        assert status == 200
        assert method == "HEAD" or body.startswith(f"{method} ".encode())
    else:
        found = json.loads(body)
        assert (found.get("rule") or status) == expected
        assert status == (400 if expected == 400 else 403)


def test_a_route_chooses_a_host_and_a_backend(routed):
    door, directory = routed
    with connect(door, client(directory, "alice")) as sock:
        for target, backend in ("/admin/a", "two"), ("/b", "one"), ("/admin/c", "two"), ("/admin/status", "one"):
            _, headers, body = ask(sock, GET.format(target))
            assert headers["x-backend"] == backend and body.startswith(f"GET {target} ".encode())
    assert get(door, client(directory, "alice"), host="internal.example:8443")[0] == 200
    assert problem(get(door, client(directory, "bob"), host="INTERNAL.example."))["rule"] == "route-6.allow"
    assert problem(get(door, client(directory, "bob"), "https://internal.example/", host="localhost"))["rule"] == "route-6.allow"
    assert problem(get(door, client(directory, "bob"), host="internal.example%00"))["id"] == "ambiguous-request"


def test_where_methods_and_places_count_no_header_asks_for_others(routed):
    """Some frameworks would answer for the path of such a header, and have been gone into by it."""
    door, directory = routed
    names = ("X-HTTP-Method-Override", "x_http_method", "X-Method-Override", "X-Original-URL", "X-Original-URI", "x_rewrite.url",
             "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Original-Host", "X-Host", "X-HTTP-Host-Override")
    body = get(door, client(directory, "bob"), more="".join(f"{name}: /admin\r\n" for name in names) + "X-Other: 1\r\n")[2]
    assert b"/admin" not in body and b"X-Other: 1" in body


def test_where_nothing_depends_on_the_place_it_may_be_spoken_of(world, model):
    with Backend(tell_all) as backend, Door(world, "--cacert", "ca.crt", "--to", http(backend), home=model / "more") as door:
        assert b"\r\nX-Original-URL: /a\r\n" in get(door, client(world, "bob"), more="X-Original-URL: /a\r\n")[2]


@pytest.mark.parametrize("door, words", [
    (dict(routes=[{"path": "/a"}]), ":7:14: this route changes nothing"),
    (dict(routes=[{"allow": "all"}]), "says of no request that it is its own"),
    (dict(routes=[{"path": "a", "allow": "all"}]), 'path cannot be "a": a path begins with a slash'),
    (dict(routes=[{"path": "/a/../b", "allow": "all"}]), "a segment ends with a dot"),
    (dict(routes=[{"method": "get", "allow": "all"}]), "written in capital letters"),
    (dict(routes=[{"host": "*", "allow": "all"}]), "host cannot be"),
    (dict(routes=[{"path": "/a", "allow": "all"}, {"path": "/A/", "allow": "cn=x"}]), "neither of them says more"),
    (dict(routes=[{"path": "/a", "allow": "al"}]), '"al" does not say who'),
    (dict(routes=[{"path": "/a", "allow": "all", "id": "x"}, {"path": "/b", "deny": "all", "id": "x"}]), "is called x, too"),
    (dict(routes=[{"path": "/a", "to": "http://127.0.0.1:1"}]), "the door has none"),
    (dict(to="tcp://127.0.0.1:1", routes=[{"path": "/a", "deny": "all"}]), "routes are of requests"),
    (dict(to="tcp://127.0.0.1:1", limits={"max_body_size": "1KiB"}), "carries bytes as they are"),
    (dict(clients="optional"), "nothing lets in who has none: say allow: [all, anonymous]"),
    (dict(allow="anonymous"), "say clients: optional"),
    (dict(limits={"rate": "fast"}), 'rate takes a rate such as 100/s, 10/m or 1000/h, not "fast"'),
    (dict(limits={"max_header_size": "64KiB"}), "at most 40960 bytes"),
    (dict(limits={"speed": 1}), 'no key "speed" in limits'),
    (dict(tell="X-Forwarded-For", to="http://127.0.0.1:1"), "tell takes Client-Cert"),
    (dict(log="everything"), "log takes refusals"),
])
def test_what_could_not_be_meant_is_refused(mutual, made, door, words):
    mutual("check", write_config(made / "wrong.yaml", door_text(**door))).refused("wrong.yaml:", words)


# --- mutual check --who ---


def test_check_says_what_the_door_would_say(mutual, routed, model):
    """For each client and target of above that is not refused before: the same rule, by the same functions."""
    door, directory = routed
    config = directory / "routes.yaml"
    for who, target, method, rule in (("alice", "/admin/x", "GET", "admin.allow.1"), ("bob", "/admin/x", "GET", "admin.allow"),
                                      ("bob", "/", "GET", "door.allow.2"), ("bob", "/x", "DELETE", "route-5.allow"),
                                      ("alice", "/public/drafts", "GET", "route-4.deny.1"), ("anonymous", "/public", "GET", "route-3.allow.2")):
        cert = who if who == "anonymous" else directory / f"{who}.crt"
        result = mutual("check", "--who", cert, "--path", target, "--method", method, "--json", config, home=model / "more")
        found = result.json()
        assert found["doors"][0]["rule"] == rule and found["let_in"] == found["doors"][0]["let_in"] == (result.code == 0)
        assert found["let_in"] == (rule[-1].isdigit() and ".allow." in rule)
    shown = mutual("check", "--who", directory / "bob.crt", "--path", "/admin", config, home=model / "more")
    assert shown.code == 1
    assert "known as     dns=bob, cn=bob" in shown.stdout
    assert "route admin: not let in, access-not-allowed: the client is known as dns=bob" in shown.stdout
    shown = mutual("check", "--who", directory / "bob.crt", "--path", "/x/../admin", config, home=model / "more")
    assert shown.code == 1 and "ambiguous-request" in shown.stdout
    shown = mutual("check", "--who", directory / "alice.crt", "--host", "internal.example", config, home=model / "more")
    assert "route route-6: let in by route-6.allow.1 (cn=alice)" in shown.ok().stdout
    listed = mutual("check", config, "--json", home=model / "more").ok().json()["doors"][0]
    assert listed["tell"] == [] and listed["limits"]["rate"] is None
    assert listed["deny"] == ["cn=mallory"] and [route["id"] for route in listed["routes"]][:2] == ["admin", "route-2"]


def test_check_judges_a_certificate_as_tls_does(mutual, made, model):
    own = made / "ca.crt"
    assert "let in by door.allow.1 (cn=bob)" in mutual("check", "--who", made / "bob.crt", "--cacert", own, "--allow", "cn=bob").ok().stdout
    shown = mutual("check", "--who", made / "localhost.crt", "--cacert", own)
    assert shown.code == 1 and "not let in, client-cert-purpose: " in shown.stdout
    mutual("init", "Other").ok()
    shown = mutual("check", "--who", made / "bob.crt")
    assert shown.code == 1 and "not let in, client-cert-untrusted: " in shown.stdout
    mutual("check").refused("name the file", code=2)
    mutual("check", "--who", made / "bob.crt", "--allow", "all", made / "routes.yaml").refused("so does the file", code=2)
    mutual("check", "--path", "/", made / "routes.yaml").refused("without --who", code=2)
    mutual("check", "--who", made / "bob.crt", "--path", "admin", "--cacert", own).refused("--path takes a path", code=2)


# --- explain_refusals: http ---


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_refusal_can_be_explained_and_lets_nobody_in(world, model, mutual, version):
    """The handshake is finished for it; nothing behind the door hears of it, and no session of it is good for anything."""
    mutual("init", "Elsewhere").ok()
    mutual("issue", "client", "stranger", cwd=world).ok()
    with Backend(tell_all) as backend, Door(
            world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to", http(backend), "--explain-refusals",
            "http", "--status", "127.0.0.1:0", "--workers", 1, home=model / "more") as door:
        assert "only while somebody looks for a mistake" in door.says("warning: whoever has no good certificate")
        for ctx, reason in ((context(world / "ca.crt", version=version), "client-cert-missing"),
                            (client(world, "stranger", version), "client-cert-untrusted"),
                            (context(world / "ca.crt", world / "localhost.crt", world / "localhost.key", version), "client-cert-purpose")):
            session = None
            ctx.set_alpn_protocols(["h2", "http/1.1"])
            for _ in range(2):
                with connect(door, ctx, session=session) as sock:
                    assert sock.selected_alpn_protocol() == "http/1.1"
                    sock.sendall(GET.format("/").encode() + GET.format("/again").encode())
                    data, _ = read_all(sock)
                    assert not sock.session_reused
                    session = sock.session
                assert data.count(b"HTTP/1.1 ") == 1 and data.startswith(b"HTTP/1.1 403 Forbidden\r\n")
                found = json.loads(data.split(b"\r\n\r\n", 1)[1])
                assert found["id"] == reason and "; hint: " in found["detail"]
                door.says(f" refused {reason}: ")
        assert backend.accepted == 0
        with connect(door, client(world, "stranger", version)):  # who says nothing hears nothing
            pass
        assert get(door, client(world, "alice", version))[0] == 200
        assert backend.accepted == 1
        assert metrics(status_of(door))["mutual_handshakes_total{result=\"admitted\"}"] == 1


def test_refusals_are_explained_to_nobody_unasked(mutual, made, world, model):
    with Door(world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", home=model / "more") as door:
        refused(door, context(world / "ca.crt"), "client-cert-missing")
    mutual("check", write_config(made / "wrong.yaml", door_text(to="tcp://127.0.0.1:1", explain_refusals="http"))) \
        .refused("carries bytes as they are")
    path = write_config(world / "mutual.yaml", door_text(clients="optional", allow=["all", "anonymous"], explain_refusals="http"))
    with serve(path, model / "more") as door:
        assert get(door, context(world / "ca.crt"))[0] == 200
        assert get(door, client(world, "alice"))[0] == 200


# --- Limits and logs ---


def test_limits_of_a_door(world, model, mutual):
    path = write_config(world / "mutual.yaml", door_text(allow="all", log="requests", limits={
        "max_header_size": 512, "max_body_size": 10, "rate": "5/h", "max_connections": 2}))
    shown = mutual("check", path).ok().stdout
    for words in "rate         5/h of each client", "bodies       10 bytes at most", "connections  2 at most":
        assert words in shown, shown
    with serve(path, model / "more") as door:
        alice, bob = client(world, "alice"), client(world, "bob")
        assert get(door, alice, "/" + "a" * 600)[0] == 414
        assert get(door, alice, more=f"X: {'a' * 600}\r\n")[0] == 431
        assert get(door, alice, method="POST", more="Content-Length: 11\r\n")[0] == 413
        with connect(door, alice) as sock:
            for _ in range(5):
                assert ask(sock, GET.format("/"))[0] == 200
            status, headers, body = ask(sock, GET.format("/"))
            assert status == 429 and json.loads(body)["id"] == "rate-limited"
            assert 1 <= int(headers["retry-after"]) <= 3600
            with connect(door, bob) as other:
                assert ask(other, GET.format("/"))[0] == 200  # who has a bucket of his own
                status, headers, body = get(door, bob)
                assert status == 503 and json.loads(body)["id"] == "door-full" and "retry-after" in headers
                door.process.send_signal(signal.SIGHUP)
                door.says(" reloaded: ")
                assert get(door, bob)[0] == 503, "who was there before counts"
        until(lambda: get(door, alice)[0] != 503)
        assert get(door, alice)[0] == 429, "and what was asked before"
        assert "".join(door.log).count("refused") == 0  # which this door does not log


def test_limits_of_options_and_of_addresses(world, model):
    with Backend(tell_all) as backend, Backend(echo) as plain, \
            Door(world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to", http(backend), "--rate",
                 "1/h", "--max-body-size", "4", "--workers", 1, home=model / "more") as door, \
            Door(world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to", plain.url,
                 "--rate-per-address", "1/h", home=model / "more") as carried:
        assert get(door, client(world, "bob"), method="POST", more="Content-Length: 4\r\n\r\nabcd")[0] == 200
        assert get(door, client(world, "bob"))[0] == 429
        assert get(door, client(world, "alice"), method="POST", more="Content-Length: 5\r\n")[0] == 413
        door.says(" refused rate-limited: ")
        with connect(carried, client(world, "alice")) as sock:
            sock.sendall(b"a")
            assert sock.recv(10) == b"a"
        with contextlib.suppress(ConnectionError, ssl.SSLError), connect(carried, client(world, "bob")) as sock:
            assert read_all(sock)[0] == b""
        carried.says(" refused rate-limited: ")


# --- What the backend is told ---


SMUGGLED = ["Client-Cert: :evil:", "client-cert: :evil:", "CLIENT_CERT: :evil:", "Client_Cert-Chain: :evil:", "Client.Cert: :evil:",
            "Client-Cert-Chain: :evil:", "X-Forwarded-Client-Cert: Hash=evil", "x_forwarded_client_cert: Hash=evil",
            "X-Forwarded_Client-Cert: Hash=evil", "X-Client-Subject: CN=evil", "x-client_fingerprint: evil", "X-CLIENT-URI: evil",
            "X-Client-Thumbprint: evil", "X_Client_Thumbprint: evil", "X-Client-Cert: evil", "X-SSL-Client-Cert: evil",
            "ssl-client-verify: evil", "SSL_CLIENT_S_DN: evil", "X-SSL-Cert: evil", "x-tls-client-cert: evil",
            "X-Forwarded-Tls-Client-Cert: evil", "X-ARR-ClientCert: evil", "X-Amzn-Mtls-Clientcert: evil", "X-Spiffe-Id: evil"]


@pytest.mark.parametrize("tells", [True, False])
def test_no_spelling_of_who_the_client_is_comes_through(world, model, tells):
    """In the head, twice, named by Connection, and as trailers; in HTTP/1.1 and HTTP/2; whether or not the door tells anything itself."""
    names = [line.split(":")[0] for line in SMUGGLED]
    told = sum((["--tell", name] for name in ("Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert", "X-Client-URI")), []) if tells else []
    with Backend(tell_all) as backend, Backend(echo_trailers) as trailers:
        for to in backend, trailers:
            with Door(world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to", http(to), *told,
                      "--workers", 1, home=model / "more") as door, connect(door, client(world, "alice")) as sock:
                lines = "".join(line + "\r\n" for line in [*SMUGGLED, *SMUGGLED])
                body = ask(sock, f"GET / HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: {', '.join(names)}\r\n\r\n")[2] if to is backend else \
                    ask(sock, f"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: Client-Cert\r\nConnection: close\r\n"
                              f"\r\n1\r\na\r\n0\r\n{lines}X-Good: 1\r\n\r\n")[2]
                with h2.Client(door, client(world, "alice")) as conn:
                    fields = [tuple(line.lower().split(": ")) for line in [*SMUGGLED, *SMUGGLED]]
                    stream = conn.ask("POST", "/", *(fields if to is backend else []), ended=to is backend)
                    if to is trailers:
                        more = b"".join(h2.field(*one) for one in [*fields, ("x-good", "1")])
                        conn.send(h2.frame(h2.DATA, 0, stream, b"a") + h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, more))
                    bodies = body, conn.answer(stream)[1]
                for body in bodies:
                    assert b"evil" not in body, body
                    assert (b"Client-Cert: :MII" in body) == tells
                    assert (b"X-Client-URI: spiffe://example.org/ns/web" in body) == tells
                    assert to is backend or b"x-good: 1" in body.lower()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_no_version_of_http_is_a_way_around(world, model, routed):
    """Whichever is agreed on: the same rules, and the same headers that go no further."""
    def curl(door, who, path, *options):
        done = subprocess.run(["curl", "-s", "--http2", "--path-as-is", "--cacert", "ca.crt", "--cert", f"{who}.crt", "--key", f"{who}.key",
                               "-w", "\n%{http_code}", *options, f"https://localhost:{door.port}{path}"],
                              cwd=world, capture_output=True, text=True, timeout=60, check=True)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    door, _ = routed
    smuggled = sum((["-H", line] for line in SMUGGLED), [])
    assert curl(door, "alice", "/admin/x")[0] == 200
    status, body = curl(door, "bob", "/admin/x")
    assert status == 403 and json.loads(body)["rule"] == "admin.allow"
    assert curl(door, "bob", "/x/../admin/x")[0] == 400
    assert curl(door, "bob", "/", "-X", "DELETE")[0] == 403
    status, body = curl(door, "bob", "/", *smuggled, "-H", "X-HTTP-Method-Override: DELETE")
    assert status == 200 and "evil" not in body and "DELETE" not in body
    with Door(world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--allow", "cn=alice", "--rate", "2/h",
              "--max-header-size", "1KiB", "--workers", 1, home=model / "more") as answering:
        assert curl(answering, "alice", "/", "-H", f"X: {'x' * 1100}")[0] == 431
        assert [curl(answering, who, "/")[0] for who in ("alice", "bob", "alice", "alice")] == [200, 403, 200, 429]


def echo_trailers(sock):
    data = b""
    while b"0\r\n" not in data or not data.endswith(b"\r\n\r\n"):
        data += sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_chain_that_is_told_is_the_one_that_was_verified(mutual, tmp_path, version):
    """Not whatever a client sends along with it."""
    home = tmp_path / "home"
    mutual("init", "--issuing", home=home).ok()
    mutual("issue", "server", "localhost", home=home).ok()
    mutual("issue", "client", "alice", home=home).ok()
    mutual("init", "Stranger", home=tmp_path / "other").ok()
    chain = (tmp_path / "alice.crt").read_text()
    (tmp_path / "alice.crt").write_text(chain + (tmp_path / "other/ca.crt").read_text())
    (tmp_path / "ca.crt").write_text((home / "trust.crt").read_text())
    leaf, issuing = [ssl.PEM_cert_to_DER_cert(f"-----BEGIN{block}") for block in chain.split("-----BEGIN")[1:3]]
    with Backend(tell_all) as backend, Door(tmp_path, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to",
                                            http(backend), "--tell", "Client-Cert-Chain", "--workers", 1, home=home) as door:
        ctx, session = client(tmp_path, "alice", version), None
        for resumed in False, True:
            with connect(door, ctx, session=session) as sock:
                body = ask(sock, GET.format("/"))[2].decode()
                assert sock.session_reused == resumed
                session = sock.session
            assert re.findall("Client-Cert-Chain: (.*)\r\n", body + "\r\n") == [f":{base64.b64encode(issuing).decode()}:"]
            assert base64.b64encode(leaf).decode() not in body


def test_the_backend_is_told_whom_the_door_has_let_in(world, model):
    """Of a resumed session, too."""
    tell = ["Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert+Cert", "X-Client-Subject", "X-Client-Fingerprint", "X-Client-URI",
            "X-Client-Thumbprint"]
    with Backend(tell_all) as backend, Door(
            world, "--cert", "localhost.crt", "--key", "localhost.key", "--cacert", "ca.crt", "--to", http(backend),
            *sum((["--tell", name] for name in tell), []), "--workers", 1, home=model / "more") as door:
        ctx, session = client(world, "alice", ssl.TLSVersion.TLSv1_2), None
        for resumed in False, True:
            with connect(door, ctx, session=session) as sock:
                body = ask(sock, GET.format("/"))[2].decode()
                assert sock.session_reused == resumed
                session = sock.session
            lines = dict(line.split(": ", 1) for line in body.split("\r\n")[1:])
            der = ssl.PEM_cert_to_DER_cert((world / "alice.crt").read_text())
            sha256 = hashlib.sha256(der)
            assert lines["Client-Cert"] == f":{base64.b64encode(der).decode()}:"
            assert "Client-Cert-Chain" not in lines  # the root alone issued it
            assert lines["X-Client-Fingerprint"] == sha256.hexdigest()
            assert lines["X-Client-Thumbprint"] == base64.urlsafe_b64encode(sha256.digest()).decode().rstrip("=")
            assert lines["X-Client-Subject"] == "CN=alice" and lines["X-Client-URI"] == "spiffe://example.org/ns/web"
            xfcc = lines["X-Forwarded-Client-Cert"]
            assert xfcc.startswith(f"Hash={sha256.hexdigest()};Cert=\"")
            pem = urllib.parse.unquote(re.search('Cert="([^"]*)"', xfcc).group(1))
            assert ssl.PEM_cert_to_DER_cert(pem) == der
            assert xfcc.endswith(';Subject="CN=alice";URI=spiffe://example.org/ns/web;DNS=alice;DNS=alice.example.com')
