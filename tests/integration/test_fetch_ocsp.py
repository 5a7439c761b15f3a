"""What OCSP responders say of clients: asked before a byte of theirs is read, and again while they are connected."""
import signal
import threading

import pytest

from backend import Backend, echo
from clock import Clock, needs_clock
from door import Door, ask, connect, context, is_let_in, listens_no_more, read_all, refused
from made import openssl
from made_config import door_text, serve as serve_config, write_config
from metrics import metrics
from point import Point, responder

GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEPT = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATH = "/ocsp"


@pytest.fixture
def far(mutual, tmp_path, home):
    """A CA that is elsewhere, its responder, and a door's place with clients of that CA."""
    with Point(tmp_path, responder(mutual)) as point:
        mutual("init", "Far CA").ok()
        mutual("issue", "server", "localhost").ok()
        mutual("issue", "client", "silent").ok()  # of before there was a responder
        mutual("crl", "--ocsp-url", f"http://{point.host}{PATH}").ok()
        for name in ("alice", "bob"):
            mutual("issue", "client", name).ok()
        mutual("revoke", "bob").ok()
        (tmp_path / "ca.crt").write_bytes((home / "ca.crt").read_bytes())
        yield point


def serve(place, point, *more, workers=1, **how):
    return Door(place, "--cacert", "ca.crt", "--fetch-ocsp", point.host, "--workers", workers, *more, home=place / "none", **how)


def client(place, name, version=None):
    return context(place / "ca.crt", place / f"{name}.crt", place / f"{name}.key", version)


def is_turned_away(door, ctx, event_id):
    """After the handshake, without a byte of HTTP. The line of the log."""
    with connect(door, ctx) as sock:
        sock.sendall(GET.encode())
        assert read_all(sock)[0] == b""
    return door.says(f" {event_id}: ")


def test_the_responder_is_asked_once_and_who_is_revoked_there_stays_outside(far, tmp_path):
    with serve(tmp_path, far, "--status", "unix:status") as door:
        assert is_let_in(door, client(tmp_path, "alice")) and is_let_in(door, client(tmp_path, "alice"))
        assert far.asked == [PATH], "the answer is kept"
        assert 'the certificate "bob"' in is_turned_away(door, client(tmp_path, "bob"), "client-cert-revoked")
        assert "by OCSP, since" in is_turned_away(door, client(tmp_path, "bob"), "client-cert-revoked")
        assert far.asked == [PATH, PATH]
        assert "names no responder" in is_turned_away(door, client(tmp_path, "silent"), "client-cert-unconfirmed")
        counted = metrics(str(tmp_path / "status"))
        assert [counted[f'mutual_ocsp_answers_total{{answer="{answer}"}}'] for answer in
                ("good", "revoked", "unknown", "failed")] == [1, 1, 0, 0]
        assert counted["mutual_ocsp_clients"] == 3


def test_who_is_revoked_while_connected_has_to_leave(far, mutual, tmp_path):
    far.respond = responder(mutual, valid="1s")
    with serve(tmp_path, far) as door, connect(door, client(tmp_path, "alice")) as sock:
        assert ask(sock, KEPT)[0] == 200
        mutual("revoke", "alice").ok()
        assert "by OCSP" in door.says(" expelled ")
        assert read_all(sock)[0] == b""


def test_who_is_in_while_a_server_stops_is_asked_about_to_the_last(far, mutual, tmp_path):
    """Whichever worker has that one, and whichever have ended."""
    workers, far.respond = 4, responder(mutual, valid="1s")
    with Backend(echo) as tcp, serve(tmp_path, far, "--to", tcp.url, "--log", "refusals,connections", workers=workers) as door:
        socks = [connect(door, client(tmp_path, "alice")) for _ in range(workers)]
        for sock in socks:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        door.signal()
        listens_no_more(door)
        *others, last = socks
        for sock in others:
            sock.close()
        for _ in others:
            door.says(" connection ")
        mutual("revoke", "alice").ok()
        assert "by OCSP" in door.says(" expelled ")
        assert read_all(last)[0] == b""
        assert door.stop() == 0


def test_nobody_is_heard_before_the_answer_is_there(far, tmp_path):
    """The request is there already, and its client waits; others do not."""
    answer, go_on = far.respond, threading.Event()
    with serve(tmp_path, far) as door:
        assert is_let_in(door, client(tmp_path, "alice"))
        far.respond = lambda request: (go_on.wait(20), answer(request))[1]
        with connect(door, client(tmp_path, "bob")) as sock:
            sock.sendall(GET.encode())
            far.is_asked(2)
            assert is_let_in(door, client(tmp_path, "alice"))
            sock.settimeout(0.01)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            sock.settimeout(20)
            go_on.set()
            assert read_all(sock)[0] == b""
        door.says(" client-cert-revoked: ")


@needs_clock
def test_an_older_answer_that_is_sent_again_brings_nobody_back(far, mutual, tmp_path):
    """Whoever is on the way has kept a "good" that is in date, and sends it again when somebody on hold is asked about anew."""
    answer, told, clock = responder(mutual, valid="1d"), [], Clock(tmp_path)

    def tell(request):
        told.append(answer(request))
        return told[-1]

    far.respond = tell
    with serve(tmp_path, far, prefix=clock.prefix) as door:
        assert is_let_in(door, client(tmp_path, "alice"))
        mutual("revoke", "alice", "--reason", "hold").ok()
        clock.set(3700)
        assert "certificateHold" in is_turned_away(door, client(tmp_path, "alice"), "client-cert-revoked")
        far.respond = lambda request: told[0]
        clock.set(2 * 3700)
        assert "certificateHold" in is_turned_away(door, client(tmp_path, "alice"), "client-cert-revoked")
        line = next(line for line in door.log if " ocsp-failed: " in line)
        assert "older than the one before" in line or "one of the same time was" in line
        assert len(told) == 2 and far.asked == [PATH] * 3


@pytest.mark.parametrize("foreign", [False, True])
def test_silence_means_what_was_chosen(far, mutual, tmp_path, home, foreign):
    """And so does an answer that is signed by another CA of the same name."""
    answer, why = (302, {"Location": "/"}, b""), "the answer is 302, and no other place is gone to"
    if foreign:
        other = home.parent / "other"
        mutual("init", "Far CA", home=other).ok()
        mutual("issue", "client", "eve", home=other).ok()
        mutual("ocsp", "request", "eve.crt", "--no-nonce", home=other).ok()
        mutual("ocsp", "answer", "eve.req", home=other).ok()
        answer, why = (200, {}, (tmp_path / "eve.resp").read_bytes()), "not signed by the CA"
    far.respond = lambda request: answer
    with serve(tmp_path, far) as door:
        line = is_turned_away(door, client(tmp_path, "alice"), "client-cert-unconfirmed")
        assert why in line and "crl_grace" in line
    with serve(tmp_path, far, "--crl-grace", "open") as door:
        assert is_let_in(door, client(tmp_path, "alice"))
        assert why in door.says(" ocsp-failed: ")


def test_lists_say_enough_where_there_are_any(far, mutual, tmp_path, home):
    """Then a responder that is silent keeps nobody out, and one that says revoked does."""
    (tmp_path / "old.crl").write_bytes((home / "ca.crl").read_bytes())
    mutual("revoke", "alice").ok()
    with serve(tmp_path, far, "--crl", "old.crl") as door:
        is_turned_away(door, client(tmp_path, "alice"), "client-cert-revoked")
        assert is_let_in(door, client(tmp_path, "silent"))
        refused(door, client(tmp_path, "bob"), "client-cert-revoked")
    assert far.asked == [PATH], "whom a list names, nobody asks for"


def test_lists_speak_for_the_clients_of_their_ca_alone(far, mutual, tmp_path, home):
    """Nor does it help another CA's that the home's list is one of those that count for ever."""
    own = home.parent / "own"
    mutual("init", "Own CA", home=own).ok()
    mutual("issue", "client", "carol", home=own).ok()
    mutual("crl", home=own).ok()
    far.respond = lambda request: (503, {}, b"")
    with Door(tmp_path, "--cacert", own / "ca.crt", "--cacert", "ca.crt", "--fetch-ocsp", far.host, home=own) as door:
        is_turned_away(door, client(tmp_path, "alice"), "client-cert-unconfirmed")
        is_turned_away(door, client(tmp_path, "silent"), "client-cert-unconfirmed")
        assert is_let_in(door, client(tmp_path, "carol"))
    (own / "ca.crl").unlink()
    with Door(tmp_path, "--cacert", own / "ca.crt", "--fetch-ocsp", far.host, home=own) as door:
        is_turned_away(door, client(tmp_path, "carol"), "client-cert-unconfirmed")


def test_for_a_certificate_that_is_trusted_itself_there_is_nobody_to_ask(far, tmp_path):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=self", "-days", "9",
            "-keyout", tmp_path / "self.key", "-out", tmp_path / "self.crt")
    with serve(tmp_path, far, "--cacert", "self.crt") as door:
        assert "is trusted itself" in is_turned_away(door, client(tmp_path, "self"), "client-cert-unconfirmed")


def test_who_is_in_already_is_asked_about_when_a_reload_brings_responders(far, mutual, tmp_path):
    config = write_config(tmp_path / "config", door_text(crl="none"))
    with serve_config(config, tmp_path / "none") as door, connect(door, client(tmp_path, "alice")) as good, \
            connect(door, client(tmp_path, "bob")) as bad:
        assert ask(good, KEPT)[0] == ask(bad, KEPT)[0] == 200
        assert not far.asked
        write_config(config, door_text(crl="none", fetch_ocsp=[far.host]))
        door.signal(signal.SIGHUP)
        assert 'the certificate "bob"' in door.says(" expelled ")
        assert read_all(bad)[0] == b""
        far.is_asked(2)
        assert ask(good, KEPT)[0] == 200
