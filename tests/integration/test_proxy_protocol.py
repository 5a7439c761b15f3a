"""The PROXY protocol: `serve --proxy-protocol` behind a proxy, and `serve --send-proxy v2` in front of a service."""
import json
import socket
import ssl
import struct
import subprocess

import pytest

from backend import Backend
from door import WAIT, Door, Wire, ask, connect, context, plain, read_all, refused, until

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ENDS = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.2") + struct.pack(">HH", 56324, 443)
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack(">H", len(ENDS)) + ENDS
LOCAL = SIGNATURE + b"\x20\0\0\0"
V6 = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"
PADDED = SIGNATURE + b"\x21\x11" + struct.pack(">H", len(ENDS) + 8003) + ENDS + b"\x04" + struct.pack(">H", 8000) + bytes(8000)


class Tunnel(Door):
    command = "tunnel"


@pytest.fixture
def ctx(ca, place):
    return context(ca / "ca.crt", place / "my-client.crt", place / "my-client.key")


def behind_a_proxy(ca, place, *options, proxies=("127.0.0.0/8",), **more):
    own = [word for cidr in proxies for word in ("--proxy-from", cidr)]
    return Door(place, "--proxy-protocol", *own, "--log", "all", *options, home=ca, **more)


def arrive(door, ctx, *pieces):
    """A client whose proxy sends these first."""
    raw = plain(door)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        raw.sendall(piece)
    return ctx.wrap_socket(raw, server_hostname="localhost")


# --- In ---


@pytest.mark.parametrize("header, peer", [
    (V1, "192.0.2.1:56324"),
    (V2, "192.0.2.1:56324"),
    (V6, "[2001:db8::1]:1"),
    (PADDED, "192.0.2.1:56324"),
    (LOCAL, "127.0.0.1:"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1:"),
])
def test_the_client_is_the_one_that_the_proxy_names(ca, place, ctx, header, peer):
    with behind_a_proxy(ca, place) as door, arrive(door, ctx, header) as sock:
        assert ask(sock, GET)[0] == 200
        assert f" {peer}" in door.says(" request ")


def test_a_header_may_come_in_pieces(ca, place, ctx):
    with behind_a_proxy(ca, place) as door:
        for header in (V1, V2):
            with arrive(door, ctx, *(header[i:i + 1] for i in range(len(header)))) as sock:
                assert ask(sock, GET)[0] == 200
                assert " 192.0.2.1:56324 " in door.says(" request ")


def test_what_follows_the_header_in_one_packet_is_the_clients(ca, place, ctx):
    """Header and ClientHello in one write."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with behind_a_proxy(ca, place) as door, plain(door) as raw:
        header = V2
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(header + outgoing.read())
                header = b""
                incoming.write(raw.recv(65536))
        raw.sendall(outgoing.read())


def test_a_refusal_names_the_client_and_not_the_proxy(ca, place):
    with behind_a_proxy(ca, place) as door, plain(door) as raw:
        raw.sendall(V1 + b"SSH-2.0-OpenSSH_9.2\r\n")
        read_all(raw)
        assert " 192.0.2.1:56324 refused not-tls: " in door.says(" refused ")


@pytest.mark.parametrize("first, why", [
    (b"GET / HTTP/1.1\r\n", "there is none"),
    (b"\x16\x03\x01\x00\xf0\x01", "there is none"),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n", "its line is not"),
    (V2.replace(b"\x21\x11", b"\x21\x51"), "does not exist"),
    (SIGNATURE + b"\x21\x11\0\x13" + ENDS + b"\x03\0\x04\0\0\0\0", "checksum is wrong"),
    (b"PROXY TCP4 ", "the connection ended"),
    (b"", "the connection ended"),
])
def test_nothing_is_guessed(ca, place, first, why):
    """Without a header that can be used there is no TLS, and no byte of an answer."""
    with behind_a_proxy(ca, place) as door, plain(door) as raw:
        raw.sendall(first)
        if "ended" in why:
            raw.shutdown(socket.SHUT_WR)
        assert read_all(raw)[0] == b""
        line = door.says(" refused proxy-header: ")
        assert line.split()[1].startswith("127.0.0.1:") and why in line and "hint: " in line


def test_whoever_is_not_trusted_is_not_heard(ca, place, ctx):
    with behind_a_proxy(ca, place, proxies=("10.0.0.0/8", "2001:db8::/32")) as door:
        for header in (V1, b""):
            with plain(door) as raw:
                raw.sendall(header)
                assert read_all(raw)[0] == b""
            assert door.says(" refused proxy-untrusted: ").split()[1].startswith("127.0.0.1:")


def test_a_header_that_does_not_come_is_waited_for_as_long_as_a_handshake(ca, place):
    with behind_a_proxy(ca, place, "--handshake-timeout", "1s") as door:
        with plain(door) as silent, plain(door) as slow:
            slow.sendall(V1[:-1])
            for raw in (silent, slow):
                assert read_all(raw)[0] == b""
                door.says(" refused handshake-timeout: ")


def test_over_a_unix_socket_its_mode_says_who_is_trusted(ca, place, ctx):
    with behind_a_proxy(ca, place, proxies=(), listen=("--listen", "unix:door")) as door:
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(WAIT)
            raw.connect(str(place / "door"))
            raw.sendall(V1)
            with ctx.wrap_socket(raw, server_hostname="localhost") as sock:
                assert ask(sock, GET)[0] == 200
                assert " 192.0.2.1:56324 " in door.says(" request ")


def test_an_http_backend_is_told_of_the_client_that_the_proxy_names(ca, place, ctx):
    heard = []

    def serve(sock):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        heard.append(head.lower())
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Backend(serve) as backend:
        with behind_a_proxy(ca, place, "--to", backend.url.replace("tcp:", "http:")) as door:
            with arrive(door, ctx, V1) as sock:
                assert ask(sock, GET)[0] == 200
    assert b"x-forwarded-for: 192.0.2.1\r\n" in heard[0]


# --- Out ---


def fields(data):
    """Type-length-value, to the end."""
    found = {}
    while data:
        kind, length = struct.unpack(">BH", data[:3])
        assert kind not in found and len(data) >= 3 + length
        found[kind], data = data[3:3 + length], data[3 + length:]
    return found


class Introduced:
    """A service that reads a header of version 2, keeps what it says, and sends back what comes after it."""

    def __init__(self):
        self.heard = []

    def __call__(self, sock):
        head = b""
        while len(head) < 16:
            head += sock.recv(16 - len(head))
        assert head[:14] in (SIGNATURE + b"\x21\x11", SIGNATURE + b"\x21\x31")
        length, body = struct.unpack(">H", head[14:])[0], b""
        while len(body) < length:
            body += sock.recv(length - len(body))
        ends = 12 if head[13] == 0x11 else 216
        self.heard.append((body[:ends], fields(body[ends:])))
        sock.sendall(b"220 ready\r\n")
        while data := sock.recv(65536):
            sock.sendall(data)


@pytest.mark.parametrize("version, cipher", [(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES"), (ssl.TLSVersion.TLSv1_3, "TLS_AES")])
def test_the_backend_hears_who_the_client_is(ca, place, ctx, version, cipher):
    ctx.minimum_version = ctx.maximum_version = version
    service = Introduced()
    with Backend(service) as backend, Door(place, "--to", backend.url, "--send-proxy", "v2", home=ca) as door:
        with Wire(door, ctx) as wire:
            assert wire.recv(100) == b"220 ready\r\n", "it is said before the client says anything"
            wire.sendall(b"hello")
            assert wire.recv(100) == b"hello"
            port = wire.sock.getsockname()[1]
    ends, said = service.heard[0]
    assert ends == socket.inet_aton("127.0.0.1") * 2 + struct.pack(">HH", port, door.port)
    assert said[0x02] == b"localhost" and 0x01 not in said
    client, verify = struct.unpack(">BI", said[0x20][:5])
    assert (client, verify) == (1 | 2 | 4, 0)
    tls = fields(said[0x20][5:])
    assert tls[0x21] == version.name.replace("_", ".").encode()
    assert tls[0x22] == b"my-client" and tls[0x23].startswith(cipher.encode())
    assert tls[0x24] == b"ecdsa-with-SHA256" and tls[0x25] == b"EC256"
    der = subprocess.run(["openssl", "x509", "-in", place / "my-client.crt", "-outform", "DER"], capture_output=True,
                         timeout=WAIT, check=True).stdout
    assert tls[0x28] == der


def test_of_a_resumed_session_the_certificate_is_that_of_the_session(ca, place, ctx):
    service = Introduced()
    with Backend(service) as backend:
        with Door(place, "--workers", "1", "--to", backend.url, "--send-proxy", "v2", home=ca) as door:
            session = None
            for _ in range(2):
                with ctx.wrap_socket(plain(door), server_hostname="localhost", session=session) as sock:
                    assert sock.recv(100) == b"220 ready\r\n"
                    session = sock.session
                    reused = sock.session_reused
            assert reused
    first, second = (said[0x20] for _, said in service.heard)
    assert (first[0], second[0]) == (1 | 2 | 4, 1 | 4) and first[1:] == second[1:]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_of_a_resumed_session_the_name_is_the_one_that_is_asked_for_now(ca, place, ctx, version):
    ctx.minimum_version = ctx.maximum_version = version
    ctx.check_hostname = False
    service, session = Introduced(), None
    with Backend(service) as backend:
        with Door(place, "--workers", "1", "--to", backend.url, "--send-proxy", "v2", home=ca) as door:
            for name in "first.example", "second.example", None:
                with ctx.wrap_socket(plain(door), server_hostname=name, session=session) as sock:
                    assert sock.recv(100) == b"220 ready\r\n"
                    assert sock.session_reused == (session is not None)
                    session = session or sock.session
    assert [said.get(0x02) for _, said in service.heard] == [b"first.example", b"second.example", None]


def test_the_backend_hears_what_is_spoken(mutual, ca, place, ctx):
    """As client and door have agreed on it in TLS; of a plain program the tunnel has to be told. [RFC 7301]"""
    service = Introduced()
    with Backend(service) as backend, \
            Door(place, "--to", backend.url, "--send-proxy", "v2", "--alpn", "postgresql", "--alpn", "h2", home=ca) as door:
        for offered, agreed in ([], None), (["x", "h2"], "h2"), (["h2", "postgresql"], "postgresql"):
            ctx.set_alpn_protocols(offered)
            with connect(door, ctx) as sock:
                assert sock.recv(100) == b"220 ready\r\n" and sock.selected_alpn_protocol() == agreed
                assert service.heard[-1][1].get(0x01) == (agreed and agreed.encode())
        ctx.set_alpn_protocols(["x"])
        refused(door, ctx, "tls-alpn")
        for options, agreed in ([], None), (["--alpn", "x", "--alpn", "h2"], b"h2"):
            with Tunnel(place, "--as", "my-client", "--to", f"localhost:{door.port}", *options, home=ca) as tunnel, \
                    plain(tunnel) as sock:
                assert sock.recv(100) == b"220 ready\r\n"
                assert service.heard[-1][1].get(0x01) == agreed
    mutual("serve", "--alpn", "h2").refused("--alpn (alpn) is of connections that are carried", code=2)


def test_what_a_proxy_said_is_handed_on(ca, place, ctx):
    service = Introduced()
    with Backend(service) as backend:
        with behind_a_proxy(ca, place, "--to", backend.url, "--send-proxy", "v2") as door:
            with arrive(door, ctx, V1) as sock:
                assert sock.recv(100) == b"220 ready\r\n"
    assert service.heard[0][0] == ENDS


def test_of_a_unix_socket_there_is_no_address(ca, place, ctx):
    service = Introduced()
    with Backend(service) as backend:
        with Door(place, "--to", backend.url, "--send-proxy", "v2", home=ca, listen=("--listen", "unix:door")):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.settimeout(WAIT)
                raw.connect(str(place / "door"))
                with ctx.wrap_socket(raw, server_hostname="localhost") as sock:
                    assert sock.recv(100) == b"220 ready\r\n"
    assert service.heard[0][0] == bytes(216)


def test_a_connection_is_one_line_with_the_bytes_of_the_client(ca, place, ctx):
    service = Introduced()
    with Backend(service) as backend:
        with behind_a_proxy(ca, place, "--to", backend.url, "--send-proxy", "v2", "--json") as door:
            with Wire(send_first(door, V2), ctx) as wire:
                assert wire.recv(100) == b"220 ready\r\n"
                wire.sendall(b"hello")
                wire.end()
                assert read_all(wire)[0] == b"hello"
            event = json.loads(door.says('"connection"'))
            assert (event["peer"], event["received"], event["sent"]) == ("192.0.2.1:56324", 5, 16)
        until(lambda: backend.open == 0)


def send_first(door, data):
    raw = plain(door)
    raw.sendall(data)
    return raw


@pytest.mark.parametrize("options, words", [
    (["--proxy-protocol"], ["believed from nobody", "--proxy-from"]),
    (["--proxy-from", "10.0.0.0/8"], ["--proxy-from says whose", "give both"]),
    (["--send-proxy", "v2"], ["--send-proxy (send_proxy) is of connections that are carried", "--to tcp://"]),
    (["--send-proxy", "v2", "--to", "http://127.0.0.1:1"], ["are carried as they are, and there are none"]),
    (["--max-lifetime", "1h", "--to", "http://127.0.0.1:1"], ["--max-lifetime (max_lifetime) is of connections"]),
    (["--send-proxy", "v1", "--to", "tcp://127.0.0.1:1"], ["--send-proxy takes v2"]),
])
def test_what_cannot_be_meant_stops_the_start(mutual, ca, place, options, words):
    mutual("serve", "--listen", "127.0.0.1:0", "--allow", "all", *options).refused(*words, code=2)


def test_what_is_no_block_of_addresses_stops_the_start(mutual, ca, place):
    mutual("serve", "--listen", "127.0.0.1:0", "--proxy-protocol", "--proxy-from", "10.0.0.1/8") \
        .refused("is no block of IP addresses", "10.0.0.0/8")


def test_doors_at_one_address_believe_the_same_proxies(mutual, ca, place):
    """The header comes before the name that the client asks for."""
    door = """
  - listen: localhost:0
    names: %s
    certificate: localhost.crt
    key: localhost.key
    trust: %s
    proxy_protocol: true
    proxy_from: %s"""
    for second, agree in (("10.0.0.0/8", True), ("10.0.0.0/16", False), ("[10.0.0.0/8, 192.0.2.1]", False)):
        (place / "mutual.yaml").write_text("doors:" + door % ("a.example", ca / "ca.crt", "10.0.0.0/8")
                                           + door % ("b.example", ca / "ca.crt", second))
        result = mutual("check", "mutual.yaml")
        result.ok() if agree else result.refused("do not agree on whose word to take", "proxy_from")


def test_a_client_without_a_certificate_is_not_said_to_be_verified(ca, place):
    service = Introduced()
    with Backend(service) as backend:
        (place / "mutual.yaml").write_text(f"""
doors:
  - listen: 127.0.0.1:0
    certificate: localhost.crt
    key: localhost.key
    trust: {ca / "ca.crt"}
    clients: optional
    allow: [all, anonymous]
    to: {backend.url}
    send_proxy: v2
""")
        with Door(place, "--config", "mutual.yaml", home=ca, listen=()) as door:
            with context(ca / "ca.crt").wrap_socket(plain(door), server_hostname="localhost") as sock:
                assert sock.recv(100) == b"220 ready\r\n"
    ssl_field = service.heard[0][1][0x20]
    client, verify = struct.unpack(">BI", ssl_field[:5])
    assert client == 1 and verify != 0
    assert not {0x22, 0x28} & set(fields(ssl_field[5:]))
