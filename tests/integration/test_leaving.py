"""Whatever ends a client's right to be here ends all that it has open, by whichever protocol, and every way back; nobody else notices."""
import concurrent.futures
import contextlib
import signal
import ssl

import pytest

import h2
from backend import Backend, echo
from clock import Clock, needs_clock
from door import ask, read_all, read_answer
from inside import ABOVE, GET, NAMES, Halting, Inside, doors, over, put
from made_config import client, serve, write_config
from metrics import metrics

# What names the session when a client comes back: an id, for one that wants no ticket or asks for one in vain; a ticket.
KINDS = {"1.2": (ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TICKET), "1.2 with tickets": (ssl.TLSVersion.TLSv1_2, 0),
         "1.3": (ssl.TLSVersion.TLSv1_3, 0)}
MONTH = 30 * 24 * 3600


@pytest.fixture
def clients(ca, mutual, place):
    """amy, who stays; ben, who does not, nor does dan, of another CA; and their lists."""
    mutual("init", "Other CA", "--path-length", 1, home=place / "other").ok()
    mutual("issue", "client", "amy").ok()
    mutual("issue", "client", "ben", "--lifetime", "3m").ok()
    mutual("issue", "client", "dan", home=place / "other").ok()
    for home in ca, place / "other":
        mutual("crl", "--lifetime", "60d", home=home).ok()
    (place / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    (place / "both.crt").write_bytes((ca / "ca.crt").read_bytes() + (place / "other/ca.crt").read_bytes())
    return place


def lower(mutual, place):
    """eve, of a CA below the other one."""
    mutual("ca", "request", "Lower CA", home=place / "lower").ok()
    mutual("sign", "ca.csr", "--profile", "ca", "--out", "lower.crt", home=place / "other").ok()
    mutual("ca", "install", "lower.crt", home=place / "lower").ok()
    mutual("issue", "client", "eve", home=place / "lower").ok()
    mutual("crl", "--lifetime", "1m", home=place / "lower").ok()


def coming(place, name, kind):
    version, option = KINDS[kind]
    ctx = client(place, name, version)
    ctx.options |= option
    return ctx


# By what it ends: who it is, the keys of the doors, and what happens.
def revoked(world):
    world.mutual("revoke", "ben", "--reason", "keyCompromise").ok()


def expired(world):
    world.clock.set(200)  # not so long that sessions end


def untrusted(world):
    put(world.place / "both.crt", world.ca / "ca.crt")


def tightened(world):
    put(world.config, world.config.read_bytes().replace(b', "cn=ben"', b""))


def cut_off(world):
    world.mutual("revoke", "Lower CA", home=world.place / "other").ok()


CAUSES = {
    "client-cert-revoked": ("ben", {}, revoked),
    "client-cert-expired": ("ben", {}, expired),
    "client-cert-untrusted": ("dan", {"trust": "both.crt"}, untrusted),
    "access-not-allowed": ("ben", {"allow": ["cn=amy", "cn=ben"]}, tightened),
}
LOWER = ("client-cert-revoked", "eve", {"trust": "both.crt"}, cut_off)


class World:
    def __init__(self, ca, mutual, place, stack, more):
        self.ca, self.mutual, self.place = ca, mutual, place
        self.clock, self.halting = Clock(place), Halting()
        http, tcp = (stack.enter_context(Backend(one)) for one in (self.halting, echo))
        homes = [ca, *(place / name for name in ("other", "lower") if "trust" in more and (place / name / "ca.crl").exists())]
        lists = [str(home / "ca.crl") for home in homes]
        self.config = write_config(place / "mutual.yaml", *doors(http, tcp, crl=lists, **more), above=ABOVE)
        self.door = stack.enter_context(serve(self.config, ca, prefix=self.clock.prefix))

    def expels(self, reason, name):
        """By a reload: it watches the files, but by a timer."""
        self.door.signal(signal.SIGHUP)
        for _ in range(Inside.COUNT):
            line = self.door.says(f" expelled {reason}: ")
            assert f'"{name}" (serial number ' in line and "has to leave: " in line and "hint: " in line


def leaves(his, world):
    """While no time passes for the server, what was under way may end; and when half a second has, it is cut off."""
    assert read_all(his.idle)[0] == b"" and read_all(his.fresh)[0] == b""
    his.h2.until(h2.GOAWAY)  # it begins with one that names no stream
    assert his.h2.until(h2.GOAWAY)[3] == his.h2_slow.to_bytes(4, "big") + bytes(4)
    his.h2.until(h2.RST_STREAM, his.h2_upgraded)
    world.halting.may_end.set()
    assert his.h2.answer(his.h2_slow)[1] == b"rest" and his.h2.farewell() == []
    assert read_answer(his.slow)[2] == b"halfrest" and read_all(his.slow)[0] == b""
    for sock in (his.tcp, his.upgraded):
        data, error = read_all(sock)
        assert data == b"" and error is not None
    world.clock.go()
    data, error = read_all(his.never)
    assert data.endswith(b"half") and error is not None


def stays(hers):
    assert ask(hers.idle, GET)[0] == 200 and ask(hers.fresh, GET)[0] == 200
    assert read_answer(hers.slow)[2] == b"halfrest" and hers.h2.answer(hers.h2_slow)[1] == b"rest"
    assert hers.h2.answer(hers.h2.ask(path="/slow"))[:2] == (200, b"halfrest")
    assert hers.echoes(b"y")
    for sock in (hers.tcp, hers.upgraded):
        sock.sendall(b"y")
        assert sock.recv(1) == b"y"


def comes_in(place, name, ctx, session):
    """Is there an answer of the backend, or of the door? And was it by the session?"""
    try:
        with over(place, name, ctx, session) as sock:
            if name == "tcp":
                sock.sendall(b"z")
                return sock.recv(1) == b"z", sock.session_reused
            return ask(sock, GET.replace("/ ", "/slow ", 1))[0] != 403, sock.session_reused
    except (ssl.SSLError, ConnectionError):
        return False, False


@needs_clock
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reason", CAUSES)
def test_what_ends_it_reaches_all_that_is_open_and_every_way_back(ca, mutual, clients, reason, kind):
    name, more, happens = CAUSES[reason]
    with contextlib.ExitStack() as stack:
        world = World(ca, mutual, clients, stack, more)
        amy, gone = (coming(clients, one, kind) for one in ("amy", name))
        hers, his = (Inside(clients, ctx, world.halting, stack) for ctx in (amy, gone))
        assert his.idle.session.has_ticket == (kind == "1.3")
        world.clock.stop()
        happens(world)
        world.expels(reason, name)
        with concurrent.futures.ThreadPoolExecutor() as elsewhere:  # a thread's errors of OpenSSL 3.5 outlive the connection
            elsewhere.submit(leaves, his, world).result()
        stays(hers)
        for at in NAMES:
            assert comes_in(clients, at, amy, hers.sessions[at]) == (True, True), "a reload is no reason to forget the innocent"
            assert not comes_in(clients, at, gone, his.sessions[at])[0]
            world.door.says(f" refused {reason}: ")
        counted = metrics(str(clients / "status"))
        assert counted[f'mutual_expelled_total{{reason="{reason}"}}'] == Inside.COUNT
        assert counted["mutual_connections_untracked"] == 0


@needs_clock
@pytest.mark.parametrize("reason, name, more, happens", [*((reason, *cause) for reason, cause in CAUSES.items()), LOWER])
def test_that_every_list_has_lapsed_ends_nobodys_right_and_keeps_nothing_from_ending_it(ca, mutual, clients, reason, name, more, happens):
    for home in ca, clients / "other":
        mutual("crl", "--lifetime", "1m", home=home).ok()
    if name == "eve":
        lower(mutual, clients)
    with contextlib.ExitStack() as stack:
        world = World(ca, mutual, clients, stack, more)
        amy, gone = (coming(clients, one, "1.3") for one in ("amy", name))
        hers, his = (Inside(clients, ctx, world.halting, stack) for ctx in (amy, gone))
        world.clock.stop()
        world.clock.set(90)
        happens(world)
        world.expels(reason, name)
        with concurrent.futures.ThreadPoolExecutor() as elsewhere:
            elsewhere.submit(leaves, his, world).result()
        stays(hers)
        for at in NAMES:
            for ctx, inside in (amy, hers), (gone, his):
                assert not comes_in(clients, at, ctx, inside.sessions[at])[0]
        world.door.says(" refused client-cert-crl-expired: ")
        assert metrics(str(clients / "status"))[f'mutual_expelled_total{{reason="{reason}"}}'] == Inside.COUNT


@needs_clock
def test_a_clock_that_is_behind_that_of_the_ca_keeps_out_who_is_revoked_and_nobody_else(ca, mutual, clients):
    amy, ben = (coming(clients, name, "1.3") for name in ("amy", "ben"))
    with contextlib.ExitStack() as stack:
        clock, http, tcp = Clock(clients), *(stack.enter_context(Backend(one)) for one in (Halting(), echo))
        config = write_config(clients / "mutual.yaml", *doors(http, tcp, crl=str(ca / "ca.crl")), above=ABOVE)
        clock.set(-200)
        door = stack.enter_context(serve(config, ca, prefix=clock.prefix))
        hers, his = (stack.enter_context(over(clients, "answer", ctx)) for ctx in (amy, ben))
        for sock in hers, his:
            assert ask(sock, GET)[0] == 200
        mutual("revoke", "ben").ok()
        assert '"ben" (serial' in door.says(" expelled client-cert-revoked: ")
        assert ask(hers, GET)[0] == 200 and comes_in(clients, "tcp", amy, None)[0]


@needs_clock
@pytest.mark.parametrize("kind", KINDS)
def test_a_clock_that_is_set_back_makes_nobody_good_for_longer(ca, clients, kind):
    """A session of a time that has not come yet is none; whose CA does not exist yet is out, until it does."""
    ctx = coming(clients, "amy", kind)
    with contextlib.ExitStack() as stack:
        clock, http, tcp = Clock(clients), *(stack.enter_context(Backend(one)) for one in (Halting(), echo))
        door = stack.enter_context(serve(write_config(clients / "mutual.yaml", *doors(http, tcp), above=ABOVE), ca, prefix=clock.prefix))
        inside = stack.enter_context(over(clients, "answer", ctx))
        assert ask(inside, GET)[0] == 200
        session = inside.session
        assert comes_in(clients, "answer", ctx, session) == (True, True)
        clock.set(-60)
        assert comes_in(clients, "answer", ctx, session) == (True, False)
        clock.set(-MONTH)
        assert not comes_in(clients, "answer", ctx, session)[0]
        door.says(" refused client-cert-ca-not-yet-valid: ")
        door.signal(signal.SIGHUP)
        door.says(" expelled client-cert-ca-not-yet-valid: ")
        assert read_all(inside)[0] == b""
        clock.set(0)
        assert comes_in(clients, "answer", ctx, session) == (True, True)
