"""mutual explain --listen: in the place of the server, for any client."""
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import warnings

import pytest

import live


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return live.make_world(tmp_path_factory.mktemp("live"))


class Ear:
    """`mutual explain --listen`, and what it says of one client after the other."""

    def __init__(self, mutual, world, *words, cert="server", ca="root"):
        own = ["--cert", world.path(f"{cert}.crt"), "--key", world.path("leaf.key")] if cert else []
        self.process = mutual.start("explain", "--listen", "127.0.0.1:0", *own, "--cacert", world.path(f"{ca}.crt"), "--json",
                                    *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.line()["listening"].rsplit(":", 1)[1])

    def line(self):
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        assert not err
        return json.loads(out), self.process.returncode

    def heard(self, cause, *words):
        said = self.line()
        assert said["cause"] == cause, said
        for word in words:
            assert word in json.dumps(said), said
        return said


def fetch(world, port, cert=None, key="leaf", ca="root", name="localhost", highest=None, lowest=None, alpn=None, ciphers=None,
          looks_at_cn=True):
    """What a client gets for its request, or what it says went wrong."""
    context = ssl.create_default_context(cafile=world.path(f"{ca}.crt"))
    context.hostname_checks_common_name = looks_at_cn
    if cert is not None:
        context.load_cert_chain(world.path(f"{cert}.crt"), world.path(f"{key}.key"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is old about them
        if lowest is not None:
            context.minimum_version = lowest
        if highest is not None:
            context.maximum_version = highest
    if ciphers is not None:
        context.set_ciphers(ciphers)
    if alpn is not None:
        context.set_alpn_protocols(alpn)
    try:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                got = b""
                while piece := connection.recv(4096):
                    got += piece
                return got.decode()
    except OSError as error:
        return str(error)


def test_a_door_that_limits_the_chain(mutual, world):
    with Ear(mutual, world, "--server-depth", "1") as ear:
        fetch(world, ear.port, "client-chain")
        ear.heard("ok", "alice")
        assert "verify_depth_exceeded" in fetch(world, ear.port, "client-deep")
        said = ear.heard("verify_depth_exceeded", "2 intermediate CAs")
        assert (said["whose"], said["remedy"]) == ("server", "mutual serve")
    mutual("explain", "--listen", "127.0.0.1:0", "--server-depth", "x").refused("--server-depth", code=2)


def leave(world, port, goodbye):
    """A client that goes when the handshake is over."""
    context = ssl.create_default_context(cafile=world.path("root.crt"))
    context.load_cert_chain(world.path("client.crt"), world.path("leaf.key"))
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    if goodbye:
        with contextlib.suppress(ssl.SSLEOFError):  # its own is under way by then; the other end may have gone
            connection.unwrap()
    connection.close()


def test_who_goes_without_a_goodbye_may_not_trust_the_server(mutual, world):
    with Ear(mutual, world) as ear:
        leave(world, ear.port, goodbye=False)
        assert ear.heard("server_untrusted_ca", "without a request or a goodbye")["exit"] == 3
        leave(world, ear.port, goodbye=True)
        ear.heard("ok", "said goodbye")


def go_when_asked(world, port, protocols):
    """A client that has seen the server's certificate and its request for one, and says no more."""
    context = ssl.create_default_context(cafile=world.path("root.crt"))
    context.set_alpn_protocols(protocols)
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context.wrap_bio(coming, going, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(going.read())
        assert plain.recv(65536)


def test_a_browser_that_looks_for_a_certificate_believes_the_server(mutual, world):
    """It comes back; while others that go without a word do not believe it."""
    with Ear(mutual, world) as ear:
        go_when_asked(world, ear.port, ["h2", "http/1.1"])
        assert ear.heard("client_cert_not_sent", "as browsers do")["exit"] == 3
        go_when_asked(world, ear.port, ["http/1.1"])
        assert ear.heard("server_untrusted_ca", "goes away")["exit"] == 1


def say(port, data):
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        return plain.recv(4096)


OLD = {"lowest": ssl.TLSVersion.TLSv1, "highest": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"}
TLS12 = {"highest": ssl.TLSVersion.TLSv1_2}


def test_each_client_is_told_what_is_the_matter(mutual, world):
    with Ear(mutual, world, "--crl", world.path("fresh.crl")) as ear:
        assert "200 OK" in fetch(world, ear.port, "client", alpn=["h2", "http/1.1"])
        said = ear.heard("ok", "alice", "TLSv1.3")
        assert said["offered"]["server_name"] == "localhost" and said["offered"]["alpn"] == "h2, http/1.1", said
        assert "1.3" in said["offered"]["versions"] and said["presented"][0]["name"] == "alice", said
        assert "200 OK" in fetch(world, ear.port, "client", **TLS12)
        ear.heard("ok", "TLSv1.2")
        for cert, cause in [("client-other", "client_untrusted_ca"), ("client-over", "client_cert_expired"),
                            ("client-purpose", "client_cert_no_clientauth"), ("client-inter", "client_chain_incomplete"),
                            ("client-again", "ca_rekeyed_same_name"), (None, "client_cert_not_sent")]:
            answer = fetch(world, ear.port, cert)
            assert "403 Forbidden" in answer and f"cause: {cause}" in answer, answer
            ear.heard(cause)
        fetch(world, ear.port, "client-chain")
        ear.heard("crl_missing", "Example Issuing CA")
        said, code = ear.end()
    assert (said["clients"], said["let_in"], said["refused"], code) == (9, 2, 7, 1), said
    assert said["causes"]["client_cert_expired"] == 1


def test_a_list_of_the_revoked_counts(mutual, world):
    with Ear(mutual, world, "--crl", world.path("revoked.crl")) as ear:
        assert "cause: client_cert_revoked" in fetch(world, ear.port, "client")
        ear.heard("client_cert_revoked", "alice")
    with Ear(mutual, world) as ear:
        assert "200 OK" in fetch(world, ear.port, "client-chain")
        ear.heard("ok")


def test_what_a_client_says_no_to(mutual, world):
    with Ear(mutual, world) as ear:
        assert "certificate verify failed" in fetch(world, ear.port, "client", ca="other")
        ear.heard("server_untrusted_ca", "unknown ca", "Example Root")
        fetch(world, ear.port, "client", name="elsewhere.example")
        ear.heard("server_name_mismatch", "elsewhere.example")
        fetch(world, ear.port, "client", **OLD)
        ear.heard("tls_version_mismatch", "1.1")
        fetch(world, ear.port, "client", **TLS12, ciphers="AES128-SHA")
        ear.heard("no_shared_cipher", "AES128-SHA")
        fetch(world, ear.port, "client", alpn=["h2"])
        ear.heard("alpn_mismatch", "h2")
    with Ear(mutual, world, cert="server-over") as ear:
        fetch(world, ear.port, "client")
        ear.heard("server_cert_expired", "2021-01-01")
    with Ear(mutual, world, cert="server-cn") as ear:
        fetch(world, ear.port, "client", looks_at_cn=False)  # nor do Go and rustls
        said = ear.heard("server_no_san", "bad certificate", "it could also be server_untrusted_ca")
        assert (said["exit"], said["whose"]) == (1, "server")
        fetch(world, ear.port, "client", ca="other")
        assert ear.heard("server_untrusted_ca", "unknown ca")["causes"] == ["server_untrusted_ca", "server_no_san"]
        fetch(world, ear.port, "client")
        ear.heard("ok")
    with Ear(mutual, world, cert=None) as ear:
        fetch(world, ear.port, "client")
        ear.heard("server_untrusted_ca", "made up")


def test_what_is_no_client_of_tls(mutual, world):
    with Ear(mutual, world, "--max-time", "1") as ear:
        say(ear.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        ear.heard("not_tls", "plain HTTP", "GET / HTTP/1.1")
        say(ear.port, b"hello\x1b[2J\r\n")
        ear.heard("not_tls", "hello\\\\x1b")
        say(ear.port, b"")
        ear.heard("connection_cut_off")
        say(ear.port, b"\x16\x03\x01\x00\x10" + bytes(16))
        ear.heard("connection_cut_off", "cannot be understood")
        say(ear.port, b"\x16\x03\x01\x00\x50\x01\x00")
        ear.heard("connection_cut_off")
        with socket.create_connection(("127.0.0.1", ear.port)):
            ear.heard("connection_timed_out")
        _, code = ear.end(signal.SIGTERM)
    assert code == 1


def test_it_ends_by_itself_and_at_once(mutual, world):
    with Ear(mutual, world, "--once") as ear:
        fetch(world, ear.port, "client")
        ear.heard("ok")
        assert ear.line()["clients"] == 1 and ear.process.wait(60) == 0
    with Ear(mutual, world, "--count", "2") as ear:
        with socket.create_connection(("127.0.0.1", ear.port)):  # who says nothing keeps nobody waiting
            fetch(world, ear.port, "client")
            ear.heard("ok")
            ear.process.send_signal(signal.SIGINT)
        assert ear.process.wait(60) in (0, 1)
    mutual("explain", "--listen", "nonsense:x", "--cacert", world.path("root.crt")).refused("nonsense", code=2)
    mutual("explain", "--listen", "127.0.0.1:0", "x").refused("one thing too many", code=2)
