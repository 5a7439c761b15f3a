"""Revocation, expiry and other trust reach those who are in already, and those who come back; nobody else notices."""
import contextlib
import functools
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from backend import Backend, echo
from clock import Clock, needs_clock
from door import WAIT, ask, connect, listens_no_more, read_all, refused, until
from inside import ABOVE, GET, over, put
from made_config import client, door_text, serve, write_config
from metrics import metrics
from test_leaving import KINDS, coming
from test_upgrade import ended, successor

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def clients(ca, mutual, place):
    """amy, who stays, and ben, who does not."""
    for name in ("amy", "ben"):
        mutual("issue", "client", name).ok()
    mutual("crl").ok()
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    return place


@needs_clock
def test_who_expires_while_connected_has_to_leave(ca, mutual, clients):
    """By itself, when the time has come."""
    mutual("issue", "client", "brief", "--lifetime", "50s").ok()
    clock = Clock(clients)
    with Backend(echo) as tcp:
        config = write_config(clients / "mutual.yaml", door_text(to=tcp.url), above=ABOVE)
        with serve(config, ca, prefix=clock.prefix) as door, connect(door, client(clients, "amy")) as amy, \
                connect(door, client(clients, "brief")) as brief:
            brief.sendall(b"x")
            assert brief.recv(1) == b"x"
            clock.set(51)
            clock.let_pass(51)
            amy.sendall(b"y")  # so that it looks at its timers
            assert '"brief" (serial' in door.says(" expelled client-cert-expired: ")
            assert read_all(brief)[0] == b""
            assert amy.recv(1) == b"y"


def test_other_trust_and_rules_reach_who_is_in(ca, mutual, clients):
    """An anchor that is removed, a certificate that is asked for now, and a door that has gone."""
    place = clients
    other = place / "other"
    mutual("init", "Other CA", home=other).ok()
    mutual("issue", "client", "dora", home=other).ok()
    both = (ca / "ca.crt").read_bytes() + (other / "ca.crt").read_bytes()
    (place / "both.crt").write_bytes(both)
    lax = door_text("unix:lax", clients="optional", allow=["all", "anonymous"], trust="both.crt")
    strict = door_text("unix:lax", clients="required", trust="both.crt")
    gone = door_text("unix:gone", trust="both.crt")
    config = write_config(place / "mutual.yaml", lax, gone, above=ABOVE)
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.load_verify_locations(place / "ca.crt")
    with serve(config, ca) as door, over(place, "lax", nobody) as without, \
            over(place, "lax", client(place, "dora")) as dora, over(place, "gone", client(place, "dora")) as left, \
            over(place, "lax", client(place, "amy")) as amy:
        for sock in (without, dora, left, amy):
            assert ask(sock, GET)[0] == 200
        put(config, b"".join([ABOVE.encode(), b"doors:\n", lax.encode()]))
        door.says(" reloaded: ")
        assert ask(left, GET)[0] == 200
        assert metrics(str(place / "status"))["mutual_connections_untracked"] == 1
        put(place / "both.crt", ca / "ca.crt")
        assert '"dora"' in door.says(" expelled client-cert-untrusted: ")
        assert read_all(dora)[0] == b""
        assert ask(left, GET)[0] == 200, "its door is nobody's any more"
        put(config, b"".join([ABOVE.encode(), b"doors:\n", strict.encode()]))
        door.says(" expelled client-cert-missing: ")
        assert read_all(without)[0] == b""
        assert ask(amy, GET)[0] == 200


def test_a_revocation_reaches_who_came_by_a_door_that_has_gone(ca, mutual, clients):
    """By the list of one that is there, and where the first is not the one that knows of it."""
    kept = [door_text(f"unix:{name}", crl=crl) for name, crl in (("lax", "none"), ("kept", str(ca / "ca.crl")))]
    config = write_config(clients / "mutual.yaml", *kept, door_text("unix:gone", crl="none"), above=ABOVE)
    with serve(config, ca) as door, over(clients, "gone", client(clients, "ben")) as ben, \
            over(clients, "gone", client(clients, "amy")) as amy:
        for sock in ben, amy:
            assert ask(sock, GET)[0] == 200
        put(config, b"".join([ABOVE.encode(), b"doors:\n", *map(str.encode, kept)]))
        assert "2 open connections came by doors that are no more; " in door.says(" connections-untracked: ")
        mutual("revoke", "ben").ok()
        assert '"ben"' in door.says(" expelled client-cert-revoked: ")
        assert read_all(ben)[0] == b""
        assert ask(amy, GET)[0] == 200


@pytest.mark.parametrize("before, after, words", [
    ({"allow": ["cn=amy", "cn=ben"]}, {"allow": "cn=amy"}, "access-not-allowed"),
    ({"allow": "all"}, {"allow": "all", "deny": "cn=b*"}, "access-denied"),
    ({"routes": [{"path": "/a", "allow": "all"}]}, {"routes": [{"path": "/a", "deny": "cn=ben"}]}, "access-denied"),
    ({"allow": "cn=amy", "routes": [{"path": "/a", "allow": "all"}]}, {"allow": "cn=amy"}, "access-not-allowed"),
])
def test_a_rule_that_is_tightened_reaches_who_is_in(ca, clients, before, after, words):
    """And nobody else: not amy, whom the new rules let in to all that the old ones did."""
    config = write_config(clients / "mutual.yaml", door_text(**before), above=ABOVE)
    with serve(config, ca) as door, connect(door, client(clients, "amy")) as amy, \
            connect(door, client(clients, "ben")) as ben:
        for sock in (amy, ben):
            assert ask(sock, GET.replace("/ ", "/a "))[0] != 403
        write_config(clients / "other.yaml", door_text(**after), above=ABOVE)
        put(config, clients / "other.yaml")
        assert '"ben"' in door.says(f" expelled {words}: ")
        assert read_all(ben)[0] == b"" and ask(amy, GET)[0] == 200
        assert metrics(str(clients / "status"))[f'mutual_expelled_total{{reason="{words}"}}'] == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_known_to_every_worker(ca, mutual, clients, version):
    """And judged by each: who is remembered by none of the others, and then revoked."""
    ctx = client(clients, "ben", version)
    config = write_config(clients / "mutual.yaml", door_text(crl=str(ca / "ca.crl")), above="workers: 4\n")
    with serve(config, ca) as door:
        with connect(door, ctx) as sock:
            assert ask(sock, GET)[0] == 200
            session = sock.session
        for _ in range(16):
            with connect(door, ctx, session=session) as sock:
                assert ask(sock, GET)[0] == 200 and sock.session_reused
                session = sock.session
        mutual("revoke", "ben").ok()
        door.says(" reloaded: ")
        for _ in range(8):
            refused(door, ctx, "client-cert-revoked", session=session)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_ends_however_often_it_is_used(ca, clients, version):
    """Its time counts from when the client last showed its certificate, which each resumption does without."""
    ctx = client(clients, "amy", version)
    with serve(write_config(clients / "mutual.yaml", door_text(session_lifetime="2s")), ca) as door:
        session, again = [None], []

        def has_ended():
            with connect(door, ctx, session=session[0]) as sock:
                assert ask(sock, GET)[0] == 200
                session[0] = sock.session
                again.append(sock.session_reused)
            return again[-2:] == [True, False]

        until(has_ended)


@pytest.mark.parametrize("kind", KINDS)
def test_hold_and_release(ca, mutual, clients, kind):
    """And while it is held no session is a way in, whatever it is worth afterwards."""
    config = write_config(clients / "mutual.yaml", door_text(crl=str(ca / "ca.crl")))
    ben = coming(clients, "ben", kind)
    with serve(config, ca) as door, connect(door, ben) as sock:
        assert ask(sock, GET)[0] == 200
        session = sock.session
        mutual("revoke", "ben", "--reason", "hold").ok()
        both = {" expelled client-cert-revoked: ", " reloaded: "}  # from two threads
        while both:
            line = door.says(" ")
            both -= {text for text in both if text in line}
        assert read_all(sock)[0] == b""
        refused(door, ben, "client-cert-revoked", session=session)
        mutual("revoke", "ben", "--release").ok()
        door.says(" reloaded: ")
        with connect(door, ben) as again, connect(door, ben, session=session) as resumed:
            assert ask(again, GET)[0] == 200 and ask(resumed, GET)[0] == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_delta_list_closes_what_is_open_and_every_way_back(ca, mutual, clients, kind):
    place = clients
    his, hers = (coming(place, name, kind) for name in ("ben", "amy"))
    mutual("crl", "--url", "http://lists.example/", "--deltas", "on", "--out", "complete.pem").ok()
    mutual("crl", "--delta", "--out", "delta.pem").ok()
    config = write_config(place / "mutual.yaml", door_text(crl=["complete.pem", "delta.pem"]))
    with serve(config, ca) as door, connect(door, his) as ben, connect(door, hers) as amy:
        assert ask(ben, GET)[0] == 200 and ask(amy, GET)[0] == 200
        sessions = ben.session, amy.session
        mutual("revoke", "ben").ok()
        mutual("crl", "--delta", "--out", "next.pem").ok()
        put(place / "delta.pem", place / "next.pem")
        door.says(" expelled client-cert-revoked: ")
        assert read_all(ben)[0] == b"" and ask(amy, GET)[0] == 200
        refused(door, his, "client-cert-revoked", session=sessions[0])
        refused(door, his, "client-cert-revoked")
        with connect(door, hers, session=sessions[1]) as again:
            assert ask(again, GET)[0] == 200 and again.session_reused


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_server_that_stops_still_hears_of_it(ca, mutual, clients, number):
    """Who is in may be for as long as stop_timeout lets them: to the worker's end, or while another process serves already."""
    with Backend(echo) as tcp:
        config = write_config(clients / "mutual.yaml", door_text(to=tcp.url, crl=str(ca / "ca.crl")), above=ABOVE)
        with serve(config, ca) as door, connect(door, client(clients, "amy")) as amy, \
                connect(door, client(clients, "ben")) as ben:
            for sock in (amy, ben):
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
            door.signal(number)
            with ended(successor(door)) if number == signal.SIGUSR2 else contextlib.nullcontext():
                if number == signal.SIGTERM:
                    listens_no_more(door)
                mutual("revoke", "ben").ok()
                door.signal(signal.SIGHUP)
                assert '"ben" (serial' in door.says(" expelled client-cert-revoked: ")
                assert read_all(ben)[0] == b""
                amy.sendall(b"y")
                assert amy.recv(1) == b"y"
                amy.close()
                assert door.process.wait(WAIT) == 0


def test_doors_that_go_while_a_server_stops_leave_what_is_under_way_alone(clients):
    """The sockets on which it listened are closed, and their numbers may be those of others by now."""
    asked, may_answer = threading.Event(), threading.Event()

    def halting(sock):
        sock.recv(65536)
        asked.set()
        may_answer.wait(WAIT)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with Backend(halting) as http, Backend(echo) as tcp:
        kept = [door_text(to=http.url.replace("tcp:", "http:")), door_text("unix:tcp", to=tcp.url)]
        gone = [door_text(f"unix:{number}") for number in range(9)]
        config = write_config(clients / "mutual.yaml", *gone, *kept)
        with serve(config, clients) as door, connect(door, client(clients, "amy")) as amy, \
                over(clients, "tcp", client(clients, "ben")) as ben:
            ben.sendall(b"x")
            assert ben.recv(1) == b"x"
            amy.sendall(GET[:-2].encode())
            door.signal()
            listens_no_more(door)
            amy.sendall(b"\r\n")
            assert asked.wait(WAIT)
            write_config(config, kept[0], door_text("unix:tcp", to=tcp.url, deny="cn=ben"))
            door.signal(signal.SIGHUP)
            door.says(" expelled ")
            may_answer.set()
            assert read_all(amy)[0].endswith(b"ok")
            assert door.stop() == 0


# --- Without a list ---


@pytest.mark.parametrize("version", VERSIONS)
def test_who_is_kicked_out_leaves_and_stays_outside(ca, mutual, clients, version):
    """By name or pattern, for a time, over a reload, with a session or without; and comes in again when that is undone."""
    place = clients
    above = f"workers: 2\ncontrol: {place}/control\nstatus: unix:status\n"
    config = write_config(place / "mutual.yaml", door_text(), above=above)
    amy, ben = (client(place, name, version) for name in ("amy", "ben"))
    kick = functools.partial(mutual, "kick", "--socket", "control")
    with serve(config, ca) as door, connect(door, amy) as hers, connect(door, ben) as his:
        session = his.session if ask(his, GET)[0] == 200 else None
        assert kick("ben", "--for", "10m").ok().stdout == \
            "kicked out cn=ben for 10 minutes; open connections: 1, which are closed\n"
        line = door.says(" expelled client-kicked: ")
        assert '"ben" (serial' in line and "as cn=ben, until 20" in line
        assert read_all(his)[0] == b"" and ask(hers, GET)[0] == 200
        door.signal(signal.SIGHUP)
        door.says(" reloaded: ")
        with connect(door, ben, session=session) as sock, contextlib.suppress(ConnectionError, ssl.SSLError):
            assert read_all(sock)[0] == b""
        assert "nobody who is connected is known by that" in kick("dns=ben.*", "--for", "10m").ok().stdout
        kick("--undo", "dns=ben.*").ok()
        door.says(" refused client-kicked: ")
        assert kick("--list").ok().stdout.startswith("cn=ben, until 20")
        assert kick("--undo", "ben").ok().stdout == "cn=ben may come in again\n"
        kick("--undo", "ben").refused("nobody is kicked out under this name", "hint: see who is: mutual kick --list")
        with connect(door, ben) as sock:
            assert ask(sock, GET)[0] == 200
            answer = kick("cn=b*", "--json").ok().json()
            assert answer == {"client": "cn=b*", "kicked": True, "seconds": 3600, "connections": 1}
            assert read_all(sock)[0] == b""
        assert metrics(str(place / "status"))['mutual_expelled_total{reason="client-kicked"}'] == 2
        assert [one["client"] for one in kick("--list", "--json").ok().json()] == ["cn=b*"]
        assert ask(hers, GET)[0] == 200


def test_who_is_kicked_out_is_so_by_all_processes_of_a_server(ca, mutual, clients):
    """Before SIGUSR2 and after it, by the one that goes and the one that comes; and is let in again by both."""
    place = clients
    kick = functools.partial(mutual, "kick", "--socket", "control")
    with Backend(echo) as tcp:
        above = f"{ABOVE}control: {place}/control\nstop_timeout: 1h\n"
        config = write_config(place / "mutual.yaml", door_text(to=tcp.url), above=above)
        amy, ben = (client(place, name) for name in ("amy", "ben"))
        with serve(config, ca) as door, connect(door, amy) as hers:
            hers.sendall(b"x")
            assert hers.recv(1) == b"x"
            for i in range(300):
                kick(f"nobody-{i}", "--for", "10m").ok()
            kick("ben").ok()
            door.signal(signal.SIGUSR2)
            with ended(successor(door)):
                until(lambda: kick("--list").ok().stdout.count("cn=") == 301)
                with connect(door, ben) as sock, contextlib.suppress(ConnectionError, ssl.SSLError):
                    assert read_all(sock)[0] == b""
                door.says(" refused client-kicked: ")
                assert door.process.poll() is None
                kick("amy").ok()
                assert '"amy" (serial' in door.says(" expelled client-kicked: ")
                assert read_all(hers)[0] == b""
                assert door.process.wait(WAIT) == 0
                kick("--undo", "ben").ok()
                with connect(door, ben) as sock:
                    sock.sendall(b"y")
                    assert sock.recv(1) == b"y"


def test_who_is_kicked_out_is_so_by_the_process_before_the_last(ca, mutual, clients):
    """Though the one between the two has no client of its own."""
    place = clients
    with Backend(echo) as tcp:
        above = f"{ABOVE}control: {place}/control\nstop_timeout: 1h\n"
        config = write_config(place / "mutual.yaml", door_text(to=tcp.url), above=above)
        with serve(config, ca) as door, connect(door, client(place, "amy")) as amy:
            amy.sendall(b"x")
            assert amy.recv(1) == b"x"
            door.signal(signal.SIGUSR2)
            second = successor(door)
            os.kill(second, signal.SIGUSR2)
            with ended(successor(door)):
                mutual("kick", "--socket", "control", "amy").ok()
                assert '"amy" (serial' in door.says(" expelled client-kicked: ")
                assert read_all(amy)[0] == b""
                assert door.process.wait(WAIT) == 0
                until(lambda: not os.path.exists(f"/proc/{second}"))


@pytest.mark.parametrize("words, said", [
    (["color=red"], "color"), (["ben", "--for", "9999d"], "at most a year"),
    ([], "say who"), (["ben", "--list"], "stands alone")])
def test_kicks_that_cannot_be(mutual, words, said):
    mutual("kick", "--socket", "none", *words).refused(said, code=2)


def test_what_a_server_says_to_do_is_handed_on(mutual, place):
    said = b"400 Bad Request: as many clients are kicked as can be\nhint: take some back\n"

    def answer(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

    with Backend(answer, place / "control"):
        told = mutual("kick", "--socket", "control", "ben").refused(code=2)
        assert told.stderr == "mutual: as many clients are kicked as can be\n  hint: take some back\n"


# --- Lists that take the place of others ---


@pytest.mark.parametrize("bad, words", [
    ("older", "is older than the one before"),
    ("namesake", "is not signed by that CA"),
    ("foreign", "there is no revocation list of"),
    ("expired", "is out of date since"),
    ("broken", "list.pem"),
])
def test_a_list_that_would_bring_back_the_revoked_is_not_taken(ca, mutual, clients, bad, words):
    place = clients
    mutual("crl", "--out", "older.pem").ok()
    mutual("revoke", "ben").ok()
    mutual("crl", "--out", "list.pem").ok()
    if bad == "expired":
        mutual("crl", "--lifetime", "1s", "--out", "expired.pem").ok()
        time.sleep(1.1)  # its own second, and the clock's
    if bad in ("namesake", "foreign"):
        mutual("init", *(["Other CA"] if bad == "foreign" else []), home=place / "other").ok()
        mutual("crl", "--out", f"{bad}.pem", home=place / "other").ok()
    (place / "broken.pem").write_bytes((place / "list.pem").read_bytes()[:200])
    config = write_config(place / "mutual.yaml", door_text(crl="list.pem", crl_grace="open" if bad == "foreign" else "closed"))
    with serve(config, ca) as door, connect(door, client(place, "amy")) as amy:
        put(place / "list.pem", place / f"{bad}.pem")
        line = door.says(" reload-failed: ")
        assert words in line and "the doors before stay in force" in line
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with connect(door, client(place, "ben")) as sock:
                ask(sock, GET)
        door.says(" refused client-cert-revoked: ")
        assert ask(amy, GET)[0] == 200


@pytest.mark.parametrize("grace, let_in, words", [
    ("closed", False, "all its clients will be refused"),
    ("open", True, "who has been revoked since is let in"),
    ("1h", True, "who has been revoked since is let in"),
    ("1s", False, "all its clients will be refused"),
])
def test_what_a_list_that_is_out_of_date_means_is_chosen(ca, mutual, clients, old_list, grace, let_in, words):
    """And who is named by it stays outside. `mutual check` knows as much."""
    config = write_config(clients / "mutual.yaml", door_text(crl=str(old_list), crl_grace=grace),
                          above=f"workers: 1\ncontrol: {clients}/control\n")
    for options in (config,), ("--allow", "all", "--crl", old_list, "--crl-grace", grace):
        for name, welcome in ("amy", let_in), ("ben", False):
            told = mutual("check", "--who", f"{name}.crt", "--json", *options)
            assert told.json()["let_in"] == welcome == (told.code == 0)
            assert welcome or told.json()["doors"][0]["id"] == f"client-cert-{'revoked' if let_in else 'crl-expired'}"
    with serve(config, ca) as door:
        door.says(words)
        door.says(" trouble crl-lapsed: ")
        for name, welcome in ("amy", let_in), ("ben", False):
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                with connect(door, client(clients, name)) as sock:
                    assert (ask(sock, GET)[0] == 200) == welcome
            if not welcome:
                door.says(" refused client-cert-revoked: " if let_in else " refused client-cert-crl-expired: ")
        check = functools.partial(mutual, "check", "--socket", "control", "--crl", old_list)
        assert check("--crl-grace", grace).ok().stdout.startswith(f"0 of {1 if let_in else 0} clients")
        if let_in:
            shown = check()
            assert shown.code == 1 and "1 of 1 clients" in shown.stdout and "out of date" in shown.stdout, shown


@pytest.fixture
def old_list(mutual, clients):
    """Ben is on it, and it has ended."""
    mutual("revoke", "ben").ok()
    mutual("crl", "--lifetime", "1s", "--out", "old.pem").ok()
    time.sleep(2.1)  # its own second, and what is still let in by a grace of one
    return clients / "old.pem"


# --- What is told beforehand ---


def test_whom_other_lists_cas_and_doors_would_lock_out(ca, mutual, clients):
    """Of those who are connected, and of those who have been: nobody is by what is in force."""
    place = clients
    mutual("init", "Other CA", home=place / "other").ok()
    config = write_config(place / "mutual.yaml", door_text("unix:door"), above=f"workers: 1\ncontrol: {place}/control\n")
    check = functools.partial(mutual, "check", "--socket", "control")
    mutual("crl", "--out", "none.pem").ok()
    with serve(config, ca), over(place, "door", client(place, "ben")) as ben:
        with over(place, "door", client(place, "amy")) as amy:
            assert ask(amy, GET)[0] == 200 and ask(ben, GET)[0] == 200
        assert check("--crl", "none.pem").ok().stdout == "0 of 2 clients would be locked out\n"
        assert " ago, and knows of nobody who came before" in check("--crl", "none.pem").stderr
        mutual("revoke", "ben").ok()
        shown = check("--crl", ca / "ca.crl")
        assert shown.code == 1 and '"ben" (serial number ' in shown.stdout and shown.stdout.endswith("1 of 2 clients would be locked out\n")
        assert "unix:" in shown.stdout and ", connected) would be locked out: the certificate " in shown.stdout
        assert " was revoked on 20" in shown.stdout
        told = check("--trust", place / "other/ca.crt", "--json")
        assert told.code == 1 and told.json()["clients"] == 2
        assert sorted(one["client"] for one in told.json()["locked_out"]) == ["amy", "ben"]
        write_config(place / "new.yaml", door_text("unix:door", allow="cn=ben"))
        told = check("--config", "new.yaml", "--json")
        (one,) = told.json()["locked_out"]
        assert one["client"] == "amy" and "allowed are cn=ben" in one["why"] and not one["connected"]
        write_config(place / "new.yaml", door_text("unix:other"))
        assert check("--config", "new.yaml", "--within", "1s").stdout.count("no door would be where it comes to") >= 1
        for option in "--trust", "--crl", "--crl-grace":
            check("--config", "new.yaml", option, "open").refused("whole doors", option, code=2)
        assert ask(ben, GET)[0] == 200, "nothing has changed"


def test_who_comes_by_several_names_is_one_client(ca, mutual, clients):
    place = clients
    config = write_config(place / "mutual.yaml", door_text("unix:door", trust=str(ca / "ca.crt"), crl="none"),
                          door_text("unix:other", trust=str(ca / "ca.crt"), crl="none"),
                          above=f"workers: 1\ncontrol: {place}/control\nstatus: unix:status\n")
    mutual("revoke", "ben").ok()
    with serve(config, ca):
        for name in ("amy", "ben"):
            for where, asked in (("door", "localhost"), ("door", None), ("other", "localhost")):
                ctx = client(place, name)
                ctx.check_hostname = asked is not None
                with socket.socket(socket.AF_UNIX) as raw:
                    raw.settimeout(WAIT)
                    raw.connect(str(place / where))
                    with ctx.wrap_socket(raw, server_hostname=asked) as sock:
                        assert ask(sock, GET)[0] == 200
        shown = mutual("check", "--socket", "control", "--crl", ca / "ca.crl")
        assert shown.stdout.endswith("\n1 of 2 clients would be locked out\n") and shown.stdout.count('"ben" (serial number ') == 3
        assert mutual("check", "--socket", "control", "--crl", ca / "ca.crl", "--json").json()["clients"] == 2
        told = mutual("status", "--expiring", "--within", "400d", "--socket", "control", "--json").ok().json()
        assert sorted(one["client"] for one in told) == ["amy", "ben"]
        assert metrics(str(place / "status"))["mutual_clients_seen"] == 2


def test_what_ends_soon_is_told(ca, mutual, clients):
    """A client's certificate: once, and by status and metrics; a list: before it has lapsed, and when it has."""
    place = clients
    mutual("issue", "client", "brief", "--lifetime", "20m").ok()
    mutual("crl", "--out", "list.pem").ok()
    above = f"workers: 1\ncontrol: {place}/control\nstatus: unix:status\nexpiry_warning: 1d\n"
    config = write_config(place / "mutual.yaml", door_text("unix:door", crl="list.pem"), above=above)
    with serve(config, ca) as door:
        for name in ("amy", "brief"):
            with over(place, "door", client(place, name)) as sock:
                assert ask(sock, GET)[0] == 200
        counted = metrics(str(place / "status"))
        assert counted["mutual_clients_seen"] == 2 and counted["mutual_clients_expiring"] == 0, "not in its last quarter"
        assert counted['mutual_crl_updated_timestamp_seconds{issuer="CN=my-ca"}'] == pytest.approx(time.time(), abs=600)
        shown = mutual("status", "--expiring", "--within", "1d", "--socket", "control").ok().stdout
        assert '"brief" (serial number ' in shown and "amy" not in shown
        told = mutual("status", "--expiring", "--within", "400d", "--socket", "control", "--json").ok().json()
        assert [one["client"] for one in told] == ["brief", "amy"]
        soon = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 12 * 3600))
        (place / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n")
        (place / "index").touch()
        (place / "number").write_text("0FFFFFFFFFFFFFFF\n")
        subprocess.run(["openssl", "ca", "-gencrl", "-config", "ca.cnf", "-keyfile", ca / "ca.key", "-cert", ca / "ca.crt",
                        "-crl_lastupdate", time.strftime("%Y%m%d000000Z", time.gmtime(time.time() - 9 * 86400)),
                        "-crl_nextupdate", soon, "-out", "new.pem"], cwd=place, check=True, capture_output=True)
        put(place / "list.pem", place / "new.pem")
        assert 'the revocation list of "CN=my-ca" is soon out of date, on ' in door.says(" trouble crl-lapses: ")
