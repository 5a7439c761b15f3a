"""The front door with revocation lists: who is on one stays outside, and no list at all lets nobody in."""
import ssl
import time

import pytest

from clock import Clock, needs_clock
from door import Door, ask, connect, context, is_let_in, read_all, refused
from made_config import door_text, write_config

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def place(ca, mutual, tmp_path):
    """A server, and three clients of which bob is revoked and carol on hold."""
    mutual("issue", "server", "localhost").ok()
    for name in ("alice", "bob", "carol"):
        mutual("issue", "client", name).ok()
    mutual("revoke", "bob", "--reason", "keyCompromise").ok()
    mutual("revoke", "carol", "--reason", "hold").ok()
    return tmp_path


def client(ca, place, name, version=None):
    return context(ca / "ca.crt", place / f"{name}.crt", place / f"{name}.key", version)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_is_revoked_or_on_hold_stays_outside(ca, place, version):
    with Door(place, "--crl", ca / "ca.crl", home=ca) as door:
        assert "CERTIFICATE_REVOKED" in str(refused(door, client(ca, place, "bob", version), "client-cert-revoked"))
        refused(door, client(ca, place, "carol", version), "client-cert-revoked")
        assert is_let_in(door, client(ca, place, "alice", version))


def test_a_list_in_der(ca, mutual, place):
    mutual("crl", "--out", "list.der", "--der").ok()
    with Door(place, "--crl", "list.der", home=ca) as door:
        refused(door, client(ca, place, "bob"), "client-cert-revoked")
        assert is_let_in(door, client(ca, place, "alice"))


def test_each_ca_has_its_list(ca, mutual, place, home):
    other = home.parent / "other"
    mutual("init", "Other CA", home=other).ok()
    for name in ("dora", "emil"):
        mutual("issue", "client", name, home=other).ok()
    mutual("revoke", "emil", home=other).ok()
    trust = ("--cacert", ca / "ca.crt", "--cacert", other / "ca.crt")
    with Door(place, *trust, "--crl", ca / "ca.crl", "--crl", other / "ca.crl", home=ca) as door:
        refused(door, client(ca, place, "bob"), "client-cert-revoked")
        refused(door, client(ca, place, "emil"), "client-cert-revoked")
        assert is_let_in(door, client(ca, place, "alice")) and is_let_in(door, client(ca, place, "dora"))

    both = place / "both.pem"
    both.write_bytes((ca / "ca.crl").read_bytes() + (other / "ca.crl").read_bytes())
    with Door(place, *trust, "--crl", both, home=ca) as door:
        refused(door, client(ca, place, "emil"), "client-cert-revoked")
        assert is_let_in(door, client(ca, place, "dora"))

    with Door(place, *trust, "--crl", ca / "ca.crl", home=ca) as door:
        door.says('no revocation list is from the CA "Other CA": all its clients will be refused')
        refused(door, client(ca, place, "dora"), "client-cert-crl-missing")
        assert is_let_in(door, client(ca, place, "alice"))


def test_a_delta_list_is_heeded(ca, mutual, place):
    mutual("crl", "--url", "http://lists.example/", "--deltas", "on", "--out", "complete.pem").ok()
    mutual("issue", "client", "late").ok()
    mutual("revoke", "late").ok()
    mutual("crl", "--delta", "--out", "delta.pem").ok()
    with Door(place, "--crl", "complete.pem", home=ca) as door:
        assert is_let_in(door, client(ca, place, "late"))
    with Door(place, "--crl", "complete.pem", "--crl", "delta.pem", home=ca) as door:
        refused(door, client(ca, place, "late"), "client-cert-revoked")
        assert is_let_in(door, client(ca, place, "alice"))


def test_a_delta_list_is_not_taken_for_a_complete_one(ca, mutual, place):
    """It names those only who were revoked since; whoever was before stays outside."""
    mutual("crl", "--url", "http://lists.example/", "--deltas", "on", "--out", "complete.pem").ok()
    mutual("crl", "--delta", "--out", "delta.pem").ok()
    with Door(place, "--crl", "delta.pem", home=ca) as door:
        for name in ("bob", "alice"):
            refused(door, client(ca, place, name), "client-cert-crl-missing")
    for order in (("complete.pem", "delta.pem"), ("delta.pem", "complete.pem")):
        with Door(place, *(word for name in order for word in ("--crl", name)), home=ca) as door:
            refused(door, client(ca, place, "bob"), "client-cert-revoked")
            assert is_let_in(door, client(ca, place, "alice"))


def test_whom_a_client_brings_along_as_the_signer_of_a_list_is_no_way_in(ca, mutual, place, home):
    """A list of another CA of the same name, and a client who sends that CA's certificate: it is verified in between."""
    other = home.parent / "other"
    mutual("init", home=other).ok()
    mutual("crl", home=other).ok()
    (place / "both.crt").write_bytes((place / "alice.crt").read_bytes() + (other / "ca.crt").read_bytes())
    with Door(place, "--crl", other / "ca.crl", home=ca) as door:
        refused(door, context(ca / "ca.crt", place / "both.crt", place / "alice.key"), "client-cert-crl-invalid")
        refused(door, client(ca, place, "alice"), "client-cert-crl-invalid")


@needs_clock
def test_a_list_that_is_out_of_date_lets_nobody_in(ca, mutual, place):
    """While it serves a client whom it remembers, and at the start."""
    mutual("crl", "--lifetime", "1h", "--out", "ends.pem").ok()
    clock = Clock(place)
    with Door(place, "--crl", "ends.pem", "--workers", 1, home=ca, prefix=clock.prefix) as door:
        assert is_let_in(door, client(ca, place, "alice")) and is_let_in(door, client(ca, place, "alice"))
        clock.set(3601)
        refused(door, client(ca, place, "alice"), "client-cert-crl-expired")
    with Door(place, "--crl", "ends.pem", home=ca, prefix=clock.prefix) as door:
        door.says("is out of date: all its clients will be refused")
        refused(door, client(ca, place, "alice"), "client-cert-crl-expired")


@pytest.mark.parametrize("name, words", [
    ("none.crl", "No such file"),
    ("alice.crt", "holds a certificate, not a certificate revocation list"),
    ("empty", "is empty"),
    ("cut", "cut off"),
])
def test_a_list_that_cannot_be_read_stops_the_start(ca, mutual, place, name, words):
    (place / "empty").write_bytes(b"")
    (place / "cut").write_bytes((ca / "ca.crl").read_bytes()[:150])
    mutual("serve", "--listen", "127.0.0.1:0", "--crl", ca / "ca.crl", "--crl", name).refused(name, words)


def test_the_home_cas_own_list_counts_without_being_named(ca, mutual, place):
    """`mutual revoke` is all it takes; a list that is old, or gone, brings nobody back."""
    mutual("crl", "--lifetime", "1s").ok()
    with Door(place, "--workers", 1, home=ca) as door:
        refused(door, client(ca, place, "bob"), "client-cert-revoked")
        with connect(door, client(ca, place, "alice")) as sock:
            assert ask(sock, GET)[0] == 200
            mutual("revoke", "alice").ok()
            assert "client-cert-revoked" in door.says(" expelled ")
            assert read_all(sock)[0] == b""
        (ca / "ca.crl").unlink()
        assert "ca.crl: the CA's revocation list has gone" in door.says(" reload-failed: ")
        refused(door, client(ca, place, "alice"), "client-cert-revoked")
    assert not any("out of date" in line for line in door.log)


def test_another_cas_list_in_the_homes_place_brings_nobody_back(ca, mutual, place, home):
    """Neither while it is served nor at the start; nor do the changes of its own list alone."""
    other = home.parent / "other"
    mutual("init", "Other CA", home=other).ok()
    mutual("crl", home=other).ok()
    mutual("crl", "--url", "http://lists.example/", "--deltas", "on").ok()
    mutual("crl", "--delta", "--out", "delta.pem").ok()
    trust = ("--cacert", ca / "ca.crt", "--cacert", other / "ca.crt")
    with Door(place, *trust, "--workers", 1, home=ca) as door:
        for foreign in (other / "ca.crl", place / "delta.pem"):
            (place / "new").write_bytes(foreign.read_bytes())
            (place / "new").replace(ca / "ca.crl")
            door.says('ca.crl: there is no complete revocation list of "my-ca" in it')
            refused(door, client(ca, place, "bob"), "client-cert-revoked")
            mutual("crl").ok()
            door.says(" reloaded: ")
        assert is_let_in(door, client(ca, place, "alice"))
    (ca / "ca.crl").write_bytes((other / "ca.crl").read_bytes())
    mutual("serve", "--listen", "127.0.0.1:0", *trust).refused("there is no complete revocation list", "mutual crl")


def test_the_homes_list_is_left_alone_on_demand_and_need_not_be_there(ca, mutual, place):
    with Door(place, "--crl", "none", home=ca) as door:
        assert is_let_in(door, client(ca, place, "bob"))
    old = (ca / "ca.crl").read_bytes()
    (ca / "ca.crl").unlink()
    with Door(place, "--crl-grace", "closed", home=ca) as door:
        assert is_let_in(door, client(ca, place, "bob"))
        (ca / "ca.crl").write_bytes(old)
        door.says(" reloaded: ")
        refused(door, client(ca, place, "bob"), "client-cert-revoked")
        assert is_let_in(door, client(ca, place, "alice"))
    mutual("serve", "--crl", "none", "--crl", ca / "ca.crl").refused("--crl none stands alone", code=2)


def test_a_file_of_doors_and_check_go_by_the_homes_list_too(ca, mutual, place):
    for crl, who in ((None, 1), ("none", 0), (str(ca / "ca.crl"), 1)):
        config = write_config(place / "mutual.yaml", door_text(trust=str(ca / "ca.crt"), **({"crl": crl} if crl else {})))
        assert mutual("check", "--who", "bob.crt", config).code == who
        assert mutual("check", "--who", "alice.crt", config).code == 0
    (place / "copy.crt").write_bytes((ca / "ca.crt").read_bytes())  # of whatever CA: nobody says that it is this home's
    assert mutual("check", "--who", "bob.crt", write_config(config, door_text(trust="copy.crt"))).code == 0
    assert "revoked" in mutual("check", "--who", "bob.crt", "--allow", "all").stdout
    mutual("crl", "--lifetime", "1s").ok()
    time.sleep(max(0, 1.1 - time.time() % 1))
    assert mutual("check", "--who", "alice.crt", "--allow", "all").code == 0
