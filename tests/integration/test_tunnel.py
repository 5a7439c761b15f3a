"""`mutual tunnel`: plain programs, carried to a server that wants a client certificate."""
import base64
import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from backend import Backend, echo, greet, reset
from door import WAIT, Door, free_port, read_all, until
from metrics import ask_status, metrics, status_of
from test_command_line import examples
from test_forward import MIB
from test_proxy_protocol import Introduced


class Tunnel(Door):
    command = "tunnel"


@pytest.fixture
def tunnel(ca, place):
    """A tunnel to these servers (a URL's HOST:PORT, a port, or what has one), as my-client."""
    @contextlib.contextmanager
    def dig(*servers, options=("--as", "my-client"), **more):
        to = [word for server in servers for word in ("--to", where(server))]
        with Tunnel(place, *to, *options, home=ca, **more) as made:
            yield made
    return dig


def where(server):
    server = getattr(server, "port", server)
    return f"localhost:{server}" if isinstance(server, int) else server


class Server(Backend):
    """A TLS server that demands a certificate: serve(sock) gets the connection when the handshake is over."""

    def __init__(self, ca, place, serve, cert="localhost", version=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(place / f"{cert}.crt", place / f"{cert}.key")
        self.context.load_verify_locations(ca / "ca.crt")
        self.context.verify_mode = ssl.CERT_REQUIRED
        if version is not None:
            self.context.minimum_version = self.context.maximum_version = version
        self.speak, self.reused, self.names = serve, [], []
        self.context.sni_callback = lambda sock, name, ctx: self.names.append(name)
        super().__init__(self._shake)
        self.port = self.socket.getsockname()[1]

    def _shake(self, raw):
        with self.context.wrap_socket(raw, server_side=True) as sock:
            self.reused.append(sock.session_reused)
            self.speak(sock)


def answer_and_part(sock):
    """One line, and its end as TLS has it."""
    data = sock.recv(65536)
    sock.sendall(data.upper())
    with contextlib.suppress(OSError):
        sock.unwrap()


def plain(door):
    return socket.create_connection((door.host, door.port), timeout=WAIT)


def say(door, data=b"hello"):
    """What comes back until the end, and the error that it ended with."""
    try:
        with plain(door) as sock:
            sock.sendall(data)
            return read_all(sock)
    except ConnectionError as error:  # before anything could be said
        return b"", error


def talk(sock, data):
    """Send, and read as much."""
    sock.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = sock.recv(65536)
        assert piece, "it ended"
        got += piece
    return got


# --- Through it ---


def test_get_and_curl_go_through_it(ca, place, mutual, tunnel):
    with Door(place, home=ca) as door, tunnel(door) as way:
        url = f"http://127.0.0.1:{way.port}/"
        assert mutual("get", url).ok().stdout == "Hello World"
        curl = subprocess.run(["curl", "-sS", url, url], capture_output=True, text=True, timeout=WAIT, check=False)
        assert curl.stdout == "Hello World" * 2, curl.stderr
        assert way.stop() == 0 and way.log == []


def test_from_end_to_end_and_back(ca, place, tunnel):
    """A plain program, a tunnel, a door and a plain service: bytes, a half-close, the rest, the end."""
    with Backend(echo) as backend, Door(place, "--to", backend.url, home=ca) as door, tunnel(door) as way:
        with plain(way) as sock:
            for piece in (b"a", b"bc", os.urandom(70000)):
                assert talk(sock, piece) == piece
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == (b"total 70003\n", None)
        until(lambda: backend.open == 0)
        assert not backend.errors


def test_one_byte_at_a_time(ca, place, tunnel):
    with Backend(echo) as backend, Door(place, "--to", backend.url, home=ca) as door, tunnel(door) as way:
        with plain(way) as sock:
            for i in range(300):
                sock.sendall(bytes([i % 256]))
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == (bytes(i % 256 for i in range(300)) + b"total 300\n", None)


def test_much_at_once_in_both_directions(ca, place, tunnel):
    data = os.urandom(16 * MIB)
    digests = []

    def pour(sock):
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        digests.append(absorb(sock))
        sender.join(WAIT)

    def absorb(sock):
        digest, left = hashlib.sha256(), len(data)
        while left:
            piece = sock.recv(262144)
            assert piece, "it ended"
            digest.update(piece)
            left -= len(piece)
        return digest.digest()

    with Backend(pour) as backend, Door(place, "--to", backend.url, home=ca) as door, tunnel(door) as way:
        with plain(way) as sock:
            pour(sock)
        until(lambda: len(digests) == 2)
        assert digests == [hashlib.sha256(data).digest()] * 2


def test_what_one_end_does_not_read_stops_the_other(ca, place, tunnel):
    held = threading.Event()
    with Server(ca, place, lambda _: held.wait(WAIT)) as server, tunnel(server) as way, plain(way) as sock:
        sock.settimeout(0.7)
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 200 * MIB:
                taken += sock.send(bytes(65536))
        held.set()
        assert 0 < taken < 64 * MIB


def test_the_server_may_speak_first_and_end_first(ca, place, tunnel):
    heard = []

    def goodbye_first(sock):
        sock.sendall(b"goodbye")
        sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            heard.append(data)

    with Backend(goodbye_first) as backend, Door(place, "--to", backend.url, home=ca) as door, tunnel(door) as way:
        with plain(way) as sock:
            assert read_all(sock) == (b"goodbye", None)
            sock.sendall(b"one more thing")
        until(lambda: backend.accepted == 1 and backend.open == 0)
        assert b"".join(heard) == b"one more thing"


def test_unix_sockets_at_both_ends(ca, place, tunnel):
    with Backend(greet) as backend, Door(place, "--to", backend.url, home=ca, listen=["--listen", "unix:door"]):
        options = ("--as", "my-client", "--server-name", "localhost")
        with tunnel("unix:door", options=options, listen=("--listen", "unix:way")):
            curl = subprocess.run(["curl", "-sS", "--unix-socket", place / "way", "http://localhost/"],
                                  capture_output=True, text=True, timeout=WAIT, check=False)
            assert curl.stdout == "Hello World", curl.stderr
        assert os.path.exists(place / "door")


# --- Coming back ---


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(ca, place, tunnel, version):
    with Server(ca, place, answer_and_part, version=version) as server:
        with tunnel(server, options=("--as", "my-client", "--workers", "1")) as way:
            for _ in range(5):
                assert say(way) == (b"HELLO", None)
        assert server.reused == [False, True, True, True, True]
        assert server.names == ["localhost"] * 5


def test_sessions_with_our_own_door_are_resumed(ca, place, tunnel):
    """As the door tells the service: the certificate is that of the session, and not shown on the connection."""
    service = Introduced()
    with Backend(service) as backend, Door(place, "--workers", "1", "--to", backend.url, "--send-proxy", "v2", home=ca) as door:
        with tunnel(door, options=("--as", "my-client", "--workers", "1")) as way:
            for _ in range(3):
                with plain(way) as sock:
                    assert sock.recv(100) == b"220 ready\r\n"
    assert [said[0x20][0] for _, said in service.heard] == [1 | 2 | 4, 1 | 4, 1 | 4]


def test_many_come_and_go(ca, place, tunnel):
    """Connections of many at once, some of which break off: nothing of them stays."""
    with Server(ca, place, answer_and_part) as server, tunnel(server, options=("--as", "my-client", "--workers", "1")) as way:
        descriptors = f"/proc/{way.process.pid}/fd"
        before = len(os.listdir(descriptors))

        def client(n):
            for i in range(12):
                if (n + i) % 4 == 0:
                    with plain(way) as sock:
                        sock.sendall(b"x")
                        reset(sock)
                else:
                    assert say(way) == (b"HELLO", None)
                    done.append(n)

        done = []
        threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert len(done) == 72
        until(lambda: len(os.listdir(descriptors)) == before)
        assert server.reused.count(True) > 40


# --- Away ---


def test_a_server_that_is_away_is_waited_for(ca, place, tunnel):
    port = free_port()
    with tunnel(port) as way, plain(way) as sock:
        sock.sendall(b"hello")
        time.sleep(0.2)  # so that the first attempts find nobody
        with Backend(echo) as backend:
            with Door(place, "--to", backend.url, home=ca, listen=("--listen", f"127.0.0.1:{port}")):
                assert sock.recv(5) == b"hello"


def test_a_server_that_stays_away_is_a_reset_and_a_line(tunnel):
    with tunnel(free_port(), options=("--as", "my-client", "--connect-timeout", "1s")) as way:
        data, error = say(way)
        assert data == b"" and isinstance(error, ConnectionResetError)
        assert ' connection - backend-unreachable (Connection refused), received 0' in way.says(" connection ")


def test_a_server_that_closes_in_the_handshake_may_be_starting(ca, place, tunnel):
    calls = []

    def starting(raw):
        calls.append(raw)
        if len(calls) > 2:
            server._shake(raw)

    with Server(ca, place, answer_and_part) as server:
        server.serve = starting
        with tunnel(server) as way:
            assert say(way) == (b"HELLO", None)
        assert len(calls) == 3


def test_the_others_serve_when_one_is_away_or_the_wrong_one(ca, place, mutual, tunnel):
    mutual("issue", "server", "other.example").ok()
    with Server(ca, place, answer_and_part) as good, Server(ca, place, answer_and_part, cert="other.example") as wrong:
        with tunnel(free_port(), wrong, good) as way:
            for _ in range(4):
                assert say(way) == (b"HELLO", None)
        assert len(good.reused) == 4


def test_the_one_with_the_fewest_connections_is_next(ca, place, tunnel):
    def serve(sock):
        while data := sock.recv(100):
            sock.sendall(data)

    with Server(ca, place, serve) as one, Server(ca, place, serve) as two, tunnel(one, two) as way:
        socks = []
        for _ in range(6):
            socks.append(plain(way))
            assert talk(socks[-1], b"x") == b"x"
        assert (one.open, two.open) == (3, 3)
        for sock in socks:
            sock.close()


# --- Whom it talks to, and who does not talk to it ---


def refused(way, name):
    """A reset without a byte, and a line."""
    data, error = say(way)
    assert data == b"" and isinstance(error, ConnectionError), (data, error)
    line = way.says(f" {name}: ")
    assert re.match(r"\S+Z 127\.0\.0\.1:\d+ failed \S+ ", line) and "; hint: " in line
    return line


def test_a_server_with_another_name_is_not_talked_to(ca, place, mutual, tunnel):
    mutual("issue", "server", "other.example").ok()
    with Server(ca, place, answer_and_part, cert="other.example") as server:
        with tunnel(server) as way:
            line = refused(way, "server-cert-name-mismatch")
            assert f" failed localhost:{server.port} " in line and 'not for "localhost"' in line
        with tunnel(server, options=("--as", "my-client", "--server-name", "other.example")) as way:
            assert say(way) == (b"HELLO", None)
            assert server.names[-1] == "other.example"
        assert server.reused == [False]


def test_a_server_of_another_ca_is_not_talked_to(ca, place, mutual, tunnel):
    mutual("init", "other-ca", home=place / "strange").ok()
    with Server(ca, place, answer_and_part) as server:
        with tunnel(server, options=("--as", "my-client", "--cacert", "strange/ca.crt")) as way:
            refused(way, "server-cert-untrusted")


@pytest.mark.parametrize("options, good", [
    (["--verify-dns", "db.example"], True),
    (["--verify-dns", "web.example"], False),
    (["--verify-uri", "spiffe://example/db"], True),
    (["--verify-uri", "spiffe://example/web"], False),
    (["--verify-pin", "PIN"], True),
    (["--verify-pin", "sha256//" + "A" * 43 + "="], False),
    (["--verify-dns", "web.example", "--verify-uri", "spiffe://example/web", "--verify-pin", "PIN"], True),
    (["--verify-uri", "spiffe://example/db", "--server-name", "web.example"], False),
    (["--verify-uri", "spiffe://example/db", "--server-name", "web.example", "--any-name"], True),
    (["--verify-uri", "spiffe://example/web", "--any-name"], False),
])
def test_what_the_server_must_have_besides(ca, place, mutual, tunnel, options, good):
    mutual("issue", "server", "localhost", "--san", "db.example", "--san", "spiffe://example/db", "--force").ok()
    der = subprocess.run("openssl x509 -in localhost.crt -noout -pubkey | openssl pkey -pubin -outform DER", shell=True,
                         cwd=place, capture_output=True, timeout=WAIT, check=True).stdout
    pin = "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    options = [pin if word == "PIN" else word for word in options]
    with Server(ca, place, answer_and_part) as server, tunnel(server, options=["--as", "my-client", *options]) as way:
        if good:
            assert say(way) == (b"HELLO", None)
        elif "--server-name" in options:
            refused(way, "server-cert-name-mismatch")
        else:
            assert f"it has {pin}, " in refused(way, "server-cert-unexpected")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_refusal_is_told_in_words(ca, place, mutual, tunnel, version):
    """In TLS 1.3 it comes when to the client the handshake is over, and perhaps when it has written already."""
    mutual("init", "strange-ca", home=place / "strange").ok()
    mutual("issue", "client", "stranger", home=place / "strange").ok()
    with Server(ca, place, answer_and_part, version=version) as server, tunnel(server, options=("--as", "stranger")) as way:
        for _ in range(5):
            line = refused(way, "server-refused")
            assert '(TLS alert 48 "unknown ca" from the server)' in line
            assert "your certificate is not from a CA that the server trusts" in line


def test_an_expired_certificate_is_told_in_words(ca, place, mutual, tunnel):
    mutual("issue", "client", "late", "--lifetime", "1s").ok()
    with Door(place, home=ca) as door, tunnel(door, options=("--as", "late")) as way:
        time.sleep(2.1)  # until it has expired: X.509 counts in seconds
        assert "your certificate has expired in the server's eyes" in refused(way, "server-refused")
        door.says(" client-cert-expired: ")


def test_a_server_that_is_none_is_told_for_what_it_is(tunnel):
    with Backend(lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as backend:
        with tunnel(backend.socket.getsockname()[1]) as way:
            refused(way, "server-not-tls")


def test_an_end_without_a_goodbye_is_a_reset(ca, place, tunnel):
    """Whoever cuts the connection, the program must not take what it has for all there was."""
    def cut(sock):
        sock.sendall(b"half of")
        sock.recv(1)
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS

    with Server(ca, place, cut) as server, tunnel(server) as way, plain(way) as sock:
        assert sock.recv(100) == b"half of"
        sock.sendall(b"x")
        data, error = read_all(sock)
        assert data == b"" and isinstance(error, ConnectionResetError)
        way.says(" server-cut-off: ")


def test_a_reset_by_the_server_is_one_to_the_program(ca, place, tunnel):
    def break_off(sock):
        sock.sendall(b"half of")
        sock.recv(1)
        reset(sock)

    with Server(ca, place, break_off) as server, tunnel(server) as way, plain(way) as sock:
        assert sock.recv(100) == b"half of"
        sock.sendall(b"x")
        data, error = read_all(sock)
        assert data == b"" and isinstance(error, ConnectionResetError)
        assert " backend-reset (Connection reset by peer), received 1, sent 7, " in way.says(" connection ")


def test_a_reset_by_the_program_is_one_to_the_service(ca, place, tunnel):
    with Backend(echo) as backend, Door(place, "--to", backend.url, home=ca) as door, tunnel(door) as way:
        with plain(way) as sock:
            assert talk(sock, b"hello") == b"hello"
            reset(sock)
        until(lambda: backend.errors)
        assert isinstance(backend.errors[0], ConnectionResetError)


# --- Other files ---


def who(sock):
    """The serial number of the client's certificate."""
    sock.sendall(sock.getpeercert()["serialNumber"].encode())
    with contextlib.suppress(OSError):
        sock.unwrap()


def greeted(way):
    with plain(way) as sock:
        return read_all(sock)


def test_a_renewed_certificate_is_presented(ca, place, mutual, tunnel):
    """What was open stays open; sessions that began with the old certificate are not used any more."""
    with Server(ca, place, who) as server, tunnel(server, options=("--as", "my-client", "--workers", "2")) as way:
        before = greeted(way)
        mutual("issue", "client", "my-client", "--force").ok()
        assert 'the certificate "my-client" is presented, until ' in way.says(" reload reloaded: ")
        after = greeted(way)
        assert before[1] is after[1] is None and before[0] != after[0] != b""
        way.signal(signal.SIGHUP)
        way.told = False
        way.says(" reload reloaded: ")
        assert greeted(way) == after and not any(server.reused[:2])


def test_a_conversation_goes_on_while_files_change(ca, place, mutual, tunnel):
    with Server(ca, place, echo_line) as server, tunnel(server) as way, plain(way) as sock:
        assert talk(sock, b"before") == b"before"
        for _ in range(3):
            mutual("issue", "client", "my-client", "--force").ok()
            way.says(" reload reloaded: ")
            assert talk(sock, b"after") == b"after"


def test_a_broken_file_changes_nothing(ca, place, mutual, tunnel):
    with Server(ca, place, who) as server, tunnel(server) as way:
        before = greeted(way)
        key = (place / "my-client.key").read_text()
        (place / "my-client.key").write_text("no key\n")
        assert "what was before stays in force" in way.says(" reload reload-failed: ")
        assert greeted(way) == before
        (place / "my-client.key").write_text(key)
        way.says(" reload reloaded: ")
        assert greeted(way) == before


def test_another_trust_is_taken_over(ca, place, mutual, tunnel):
    mutual("init", "other-ca", home=place / "strange").ok()
    trust = place / "trust.crt"
    trust.write_bytes((place / "strange/ca.crt").read_bytes())
    with Server(ca, place, answer_and_part) as server:
        with tunnel(server, options=("--as", "my-client", "--cacert", "trust.crt")) as way:
            refused(way, "server-cert-untrusted")
            trust.write_bytes((ca / "ca.crt").read_bytes())
            way.says(" reload reloaded: ")
            assert say(way) == (b"HELLO", None)


# --- Its own life ---


def test_what_it_does_is_counted(ca, place, mutual, tunnel):
    """Under the names that a door has for the same things; and it is asked whether it is well."""
    mutual("issue", "server", "other.example").ok()
    options = ("--as", "my-client", "--workers", "1", "--status", "unix:status")
    with Server(ca, place, answer_and_part) as server, tunnel(server, options=options) as way:
        where = str(place / status_of(way))
        assert metrics(where)["mutual_backend_handshakes_total"] == 0, "there from the beginning"
        assert ask_status(where, "/healthz")[0] == ask_status(where, "/readyz")[0] == 200
        assert ask_status(where, "/status")[0] == ask_status(where, "/kick", "POST")[0] - 1 == 404
        for _ in range(3):
            assert say(way) == (b"HELLO", None)
        server.context.load_cert_chain(place / "other.example.crt", place / "other.example.key")
        server.context.session_tickets = 0
        mutual("issue", "client", "my-client", "--force").ok()  # so that no session is used any more
        way.says(" reload reloaded: ")
        refused(way, "server-cert-name-mismatch")
        (place / "my-client.key").write_text("no key\n")
        way.says(" reload reload-failed: ")
        told = metrics(where)
        for name, value in {"backend_handshakes_total": 3, "backend_handshakes_resumed_total": 2,
                            'backend_refused_total{reason="server-cert-name-mismatch"}': 1,
                            'backend_refused_total{reason="server-refused"}': 0, "backend_handshake_seconds_count": 4,
                            "connections_accepted_total": 4, "connections_active": 0, "received_bytes_total": 15,
                            "sent_bytes_total": 15, "workers_alive": 1, "reloads_total": 1, "reloads_failed_total": 1,
                            f'backend_connections{{backend="localhost:{server.port}"}}': 0}.items():
            assert told[f"mutual_{name}"] == value, name
        assert sum(name.startswith("mutual_certificate_expiry_timestamp_seconds{") for name in told) == 1
        assert sum(name.startswith("mutual_trust_expiry_timestamp_seconds{") for name in told) == 1
        assert not any("handshakes_total{" in name or "requests" in name for name in told), "what a door has, and it has not"


def test_the_log_has_a_line_a_connection(ca, place, tunnel):
    with Server(ca, place, answer_and_part) as server:
        with tunnel(server, options=("--as", "my-client", "--log", "connections")) as way:
            say(way)
            line = way.says(" connection ")
            assert f" connection localhost:{server.port} closed, received 5, sent 5, " in line
        with tunnel(server, options=("--as", "my-client", "--log", "connections", "--json")) as way:
            assert json.loads(way.ready) == {
                "event": "ready", "listen": [f"127.0.0.1:{way.port}"], "to": [f"localhost:{server.port}"]}
            say(way)
            event = json.loads(way.says('"connection"'))
            assert event["backend"] == f"localhost:{server.port}" and event["id"] == "closed"
            assert "subject" not in event, "nobody has shown anything"
        options = ("--as", "my-client", "--server-name", "other.example", "--log-format", "json")
        with tunnel(server, options=options) as way:
            say(way)
            event = json.loads(way.says('"failed"'))
            assert event["id"] == "server-cert-name-mismatch" and event["backend"] == f"localhost:{server.port}"
            assert event["sentence"] and event["hint"] and event["peer"].startswith("127.0.0.1:")


def test_a_log_that_nobody_wants_stays_empty(ca, place, tunnel):
    options = ("--as", "my-client", "--server-name", "other.example", "--log", "none")
    with Server(ca, place, answer_and_part) as server, tunnel(server, options=options) as way:
        assert isinstance(say(way)[1], ConnectionError)
        assert way.stop() == 0 and way.log == []


def test_a_stop_lets_connections_finish(ca, place, tunnel):
    with Server(ca, place, echo_line) as server, tunnel(server) as way, plain(way) as sock:
        assert talk(sock, b"before") == b"before"
        way.signal()
        until(lambda: not accepts(way))
        assert talk(sock, b"after") == b"after"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == (b"", None)
        assert way.stop() == 0


def echo_line(sock):
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.unwrap()


def accepts(way):
    try:
        plain(way).close()
        return True
    except ConnectionError:
        return False


def test_a_stop_does_not_wait_for_ever(ca, place, tunnel):
    options = ("--as", "my-client", "--stop-timeout", "1s")
    with Server(ca, place, echo_line) as server, tunnel(server, options=options) as way, plain(way) as sock:
        assert talk(sock, b"before") == b"before"
        way.signal()
        data, error = read_all(sock)
        assert data == b"" and isinstance(error, ConnectionResetError), "a cut looks like one"
        assert way.stop() == 0


def test_a_silent_connection_is_closed_when_asked_to(ca, place, tunnel):
    with Server(ca, place, echo_line) as server:
        with tunnel(server, options=("--as", "my-client", "--idle-timeout", "1s")) as way, plain(way) as sock:
            assert talk(sock, b"hello") == b"hello"
            assert read_all(sock) == (b"", None)
            until(lambda: server.open == 0)


def test_a_connection_that_is_too_old_is_cut(ca, place, tunnel):
    """Though it is not silent, and though more time without a byte would be allowed."""
    options = ("--as", "my-client", "--max-lifetime", "1s", "--idle-timeout", "20s", "--log", "connections")
    with Server(ca, place, echo_line) as server, tunnel(server, options=options) as way, plain(way) as sock:
        with pytest.raises((ConnectionError, AssertionError)) as caught:
            while True:
                talk(sock, b"hello")
                time.sleep(0.05)
        assert isinstance(caught.value, ConnectionError), "a cut looks like one"
        assert " lifetime, received " in way.says(" connection ")


def test_no_more_connections_than_may_be(ca, place, tunnel):
    options = ("--as", "my-client", "--workers", "1", "--max-connections", "1")
    with Server(ca, place, echo_line) as server, tunnel(server, options=options) as way:
        with plain(way) as first, plain(way) as second:
            assert talk(first, b"x") == b"x"
            way.says(" connections-full: ")
            second.settimeout(0.2)
            second.sendall(b"y")
            with pytest.raises(TimeoutError):
                second.recv(1)
            first.close()
            second.settimeout(WAIT)
            assert second.recv(1) == b"y"


def test_out_of_descriptors_it_waits(ca, place, tunnel):
    limit = ["prlimit", "--nofile=40:40"]
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    with Server(ca, place, echo_line) as server:
        with tunnel(server, options=("--as", "my-client", "--workers", "1"), prefix=limit) as way:
            socks = [plain(way) for _ in range(30)]
            way.says(" accept-paused: ")
            for sock in socks[5:]:
                sock.close()
            assert talk(socks[0], b"x") == b"x"
            assert talk(socks[4], b"x") == b"x"
            with plain(way) as sock:
                assert talk(sock, b"x") == b"x"
            for sock in socks[:5]:
                sock.close()


def test_listening_to_the_network_is_warned_of(tunnel):
    with tunnel("localhost:1", listen=("--listen", "0.0.0.0:0")) as way:
        assert 'acts with the certificate "my-client"' in way.says("whoever can reach 0.0.0.0:")
    with tunnel("localhost:1", listen=("--listen", "localhost:0", "--listen", "unix:way")) as way:
        assert way.stop() == 0 and way.log == []


def test_its_key_may_have_a_passphrase_or_be_in_a_container(ca, place, mutual, tunnel):
    (place / "passphrase").write_text("correct horse\n")
    for command in (["pkcs8", "-topk8", "-in", "my-client.key", "-out", "locked.key", "-passout", "pass:correct horse"],
                    ["pkcs12", "-export", "-in", "my-client.crt", "-inkey", "my-client.key", "-out", "my-client.p12",
                     "-passout", "pass:correct horse"]):
        subprocess.run(["openssl", *command], cwd=place, capture_output=True, timeout=WAIT, check=True)
    with Server(ca, place, answer_and_part) as server:
        for own in (["--cert", "my-client.crt", "--key", "locked.key"], ["--cert", "my-client.p12"]):
            with tunnel(server, options=[*own, "--passphrase-file", "passphrase"]) as way:
                assert say(way) == (b"HELLO", None)


def test_the_examples_work(ca, place, tunnel):
    with Server(ca, place, answer_and_part) as server:
        for words in examples("tunnel"):
            words = words[1:]
            at = words.index("--listen")
            listen = words[at:at + 2] if words[at + 1].startswith("unix:") else ["--listen", "127.0.0.1:0"]
            rest = words[:at] + words[at + 2:]
            rest[rest.index("--to") + 1] = f"localhost:{server.port}"
            rest = ["localhost" if word == "db.example" else word for word in rest]
            with tunnel(options=rest, listen=listen) as way:
                if "unix:" not in listen[1]:
                    assert say(way) == (b"HELLO", None)
                assert way.stop() == 0


LISTEN, TO, AS = ["--listen", "127.0.0.1:0"], ["--to", "localhost:1"], ["--as", "my-client"]


@pytest.mark.parametrize("options, words", [
    ([*TO, *AS], ["--listen says where"]),
    ([*LISTEN, *AS], ["--to says where"]),
    ([*LISTEN, *TO], ["the server wants a certificate: --as NAME"]),
    ([*LISTEN, *AS, "--to", "localhost"], ["is not an address to connect to"]),
    ([*LISTEN, *AS, "--to", "https://localhost:1"], ["is not an address to connect to"]),
    ([*LISTEN, *AS, "--to", "unix:door"], ["needs a name: --server-name"]),
    ([*LISTEN, *TO, *AS, "--any-name"], ["every server of the CA would do"]),
    ([*LISTEN, *TO, *AS, "--verify-pin", "sha256//x"], ["is not the pin of a public key"]),
    ([*LISTEN, *TO, *AS, "--log", "everything"], ["--log takes"]),
    ([*LISTEN, *TO, *AS, "--log", "requests"], ["--log takes"]),
    ([*LISTEN, *TO, *AS, "--log-format", "xml"], ["--log-format takes"]),
    ([*LISTEN, *TO, *AS, "--connect-timeout", "2d"], ["at most a day"]),
])
def test_what_cannot_be_meant_stops_the_start(mutual, ca, place, options, words):
    mutual("tunnel", *options).refused(*words, code=2)


def test_an_address_that_is_taken_stops_the_start(mutual, ca, place):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        mutual("tunnel", "--listen", f"127.0.0.1:{sock.getsockname()[1]}", *TO, *AS) \
            .refused("cannot listen on", os.strerror(errno.EADDRINUSE))
