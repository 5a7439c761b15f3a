"""Revocation lists from where certificates say that they are: fetched by the door itself, and heeded like those of files."""
import shutil
import signal
import socket
import subprocess

import pytest

from door import Door, ask, connect, context, is_let_in, read_all, refused
from made_config import door_text, serve as serve_config, write_config
from metrics import metrics
from point import Point

GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def far(mutual, tmp_path, home):
    """A CA that is elsewhere, whose lists a web server has, and a door's place with clients of that CA."""
    with Point(home / "public") as point:
        mutual("init", "Far CA").ok()
        mutual("crl", "--url", f"http://{point.host}/").ok()
        mutual("issue", "server", "localhost").ok()
        for name in ("alice", "bob"):
            mutual("issue", "client", name).ok()
        mutual("revoke", "bob").ok()
        (tmp_path / "ca.crt").write_bytes((home / "ca.crt").read_bytes())
        yield point


def serve(place, point, *more, **how):
    return Door(place, "--cacert", "ca.crt", "--fetch-crl", point.host, "--workers", 1, *more, home=place / "none", **how)


def client(place, name):
    return context(place / "ca.crt", place / f"{name}.crt", place / f"{name}.key")


def last_refusal(door):
    """In the log, where what has been fetched may already be told behind it."""
    return [line for line in door.log if " refused " in line][-1]


def publish(mutual, *more):
    """A list that is soon out of date, so that it is soon fetched again."""
    mutual("crl", "--lifetime", "4s", *more).ok()


def test_a_list_is_fetched_for_whoever_comes_first_and_again_and_bites(far, mutual, tmp_path):
    publish(mutual)
    with serve(tmp_path, far, "--status", "unix:status") as door:
        assert far.asked == []
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        assert "it is being fetched from http://" in last_refusal(door) and "crl_grace" in last_refusal(door)
        door.says(" reloaded: ")
        refused(door, client(tmp_path, "bob"), "client-cert-revoked")
        with connect(door, client(tmp_path, "alice")) as sock:
            assert ask(sock, GET)[0] == 200
            counted = metrics(str(tmp_path / "status"))
            assert counted["mutual_crl_points"] == 1 and counted["mutual_crl_points_waiting"] == 0
            assert counted['mutual_crl_fetches_total{result="good"}'] >= 1
            assert counted['mutual_crl_updated_timestamp_seconds{issuer="CN=Far CA"}'] > 0
            mutual("revoke", "alice").ok()
            assert "client-cert-revoked" in door.says(" expelled ")
            assert read_all(sock)[0] == b""


def test_what_is_not_the_cas_newest_list_is_not_taken(far, mutual, tmp_path, home):
    """Whoever is on the way can send what he likes; the list before stays, and who is on it stays outside."""
    (path,) = (home / "public").glob("*.crl")
    publish(mutual)
    older, name = path.read_bytes(), "/" + path.name
    mutual("revoke", "alice").ok()
    publish(mutual)
    with serve(tmp_path, far, "--crl-grace", "open") as door:
        assert is_let_in(door, client(tmp_path, "bob")), "nothing is known yet, and open was asked for"
        door.says(" reloaded: ")
        far.answers[name] = (200, {}, older)
        assert "is older than the one before" in door.says(" crl-refused: ")
        far.answers[name] = (302, {"Location": "/"}, b"")
        assert "the answer is 302, and no other place is gone to" in door.says(" crl-fetch-failed: ")
        for revoked in ("alice", "bob"):
            refused(door, client(tmp_path, revoked), "client-cert-revoked")


def test_a_list_is_put_in_force_though_that_fails_at_first(far, mutual, tmp_path):
    """What fails then is nothing that is watched: that the list has come once has to do."""
    (tmp_path / "files").mkdir()
    with serve(tmp_path, far, "--files", "files") as door:
        (tmp_path / "files").rename(tmp_path / "away")
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        assert "without the revocation lists that have come" in door.says(" reload-failed: ")
        (tmp_path / "away").rename(tmp_path / "files")
        assert f"changed: http://{far.host}/" in door.says(" reloaded: ")
        refused(door, client(tmp_path, "bob"), "client-cert-revoked")


def test_nobody_can_make_the_door_ask_anywhere(far, mutual, tmp_path, home):
    """Neither a stranger, though his CA has the same name, nor a certificate that names another host."""
    (tmp_path / "extensions").write_text(f"extendedKeyUsage=clientAuth\ncrlDistributionPoints=URI:http://{far.host}/x.crl\n"
                                         "authorityKeyIdentifier=none\n")
    for words in (("req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=Far CA", "-keyout", "s.key", "-out", "s.crt"),
                  ("req", "-newkey", "ed25519", "-nodes", "-subj", "/CN=mallory", "-keyout", "mallory.key", "-out", "m.csr"),
                  ("x509", "-req", "-in", "m.csr", "-CA", "s.crt", "-CAkey", "s.key", "-CAcreateserial", "-extfile",
                   "extensions", "-out", "mallory.crt")):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    with serve(tmp_path, far) as door:
        refused(door, client(tmp_path, "mallory"), "client-cert-ca-rekeyed")
    with Door(tmp_path, "--cacert", "ca.crt", "--fetch-crl", "other.example", home=tmp_path / "none") as door:
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        assert f"the host of http://{far.host}/" in last_refusal(door) and "is not among those of fetch_crl" in last_refusal(door)
    with Door(tmp_path, "--cacert", "ca.crt", "--fetch-crl", "all", home=tmp_path / "none") as door:
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        assert "it is in a private network, and its host has not been named" in door.says(" crl-fetch-failed: ")
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        assert "it could not be fetched from" in last_refusal(door)
    assert far.asked == []


@pytest.fixture
def slow(tmp_path):
    """A CA by openssl, "slow.crt", and what makes client.crt of what this says in an extension's section."""
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], cwd=tmp_path, check=True, capture_output=True)

    def issue(name, points):
        (tmp_path / "extensions").write_text(f"extendedKeyUsage=clientAuth\ncrlDistributionPoints={points}\n")
        openssl("x509", "-req", "-in", "slow.csr", "-CA", "slow.crt", "-CAkey", "slow.key", "-CAcreateserial", "-extfile", "extensions",
                "-out", f"{name}.crt")
        return context(tmp_path / "ca.crt", tmp_path / f"{name}.crt", tmp_path / "slow.key")

    openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=Slow CA", "-keyout", "slow.key", "-out", "slow.crt")
    openssl("req", "-new", "-key", "slow.key", "-subj", "/CN=slow", "-out", "slow.csr")
    return issue


def test_a_server_that_never_answers_leaves_room_for_others(far, tmp_path, slow):
    """Its CA's clients name more lists there than are fetched at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        with serve(tmp_path, far, "--cacert", "slow.crt", "--fetch-crl", host) as door:
            for i in range(5):
                refused(door, slow(f"c{i}", ",".join(f"URI:http://{host}/{i}-{j}" for j in range(4))), "client-cert-crl-missing")
            refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
            door.says(" reloaded: ")
            assert is_let_in(door, client(tmp_path, "alice"))


def test_a_list_of_another_issuer_is_not_followed(far, tmp_path, slow):
    with serve(tmp_path, far, "--cacert", "slow.crt") as door:
        points = f"one\n[one]\nfullname=URI:http://{far.host}/x.crl\nCRLissuer=dirName:other\n[other]\nCN=Other"
        refused(door, slow("c", points), "client-cert-crl-missing")
        assert "its list is another issuer's (cRLIssuer), and such lists are not followed" in last_refusal(door)
    assert far.asked == []


def test_a_host_that_a_reload_takes_out_is_asked_no_more(far, mutual, tmp_path, home):
    with Point(home / "public") as other:
        mutual("crl", "--url", f"http://{other.host}/").ok()
        mutual("issue", "client", "carol").ok()
        publish(mutual)
        config = write_config(tmp_path / "config", door_text(crl="none", fetch_crl=[far.host, other.host]))
        with serve_config(config, tmp_path / "none") as door:
            for name in ("alice", "carol"):
                refused(door, client(tmp_path, name), "client-cert-crl-missing")
            far.is_asked(1)
            other.is_asked(1)
            write_config(config, door_text(crl="none", fetch_crl=[other.host]))
            door.signal(signal.SIGHUP)
            while str(config) not in door.says(" reloaded: "):
                pass
            other.is_asked(len(other.asked) + 1)
            asked = len(far.asked)
            other.is_asked(len(other.asked) + 2)
            assert len(far.asked) == asked


def test_lists_outlive_a_restart(far, mutual, tmp_path):
    (tmp_path / "cache").mkdir()
    with serve(tmp_path, far, "--crl-cache", "cache") as door:
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        door.says(" reloaded: ")
        assert is_let_in(door, client(tmp_path, "alice"))
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.read_text().startswith(f"http://{far.host}/") and "X509 CRL" in kept.read_text()
    (tmp_path / "cache" / "empty.crl").touch()
    (tmp_path / "cache" / "cut.crl.new").touch()
    far.answers["*"] = (503, {}, b"")
    with serve(tmp_path, far, "--crl-cache", "cache") as door:
        refused(door, client(tmp_path, "bob"), "client-cert-revoked")
        assert is_let_in(door, client(tmp_path, "alice"))
        assert not (tmp_path / "cache" / "cut.crl.new").exists()
    mutual("serve", "--cacert", "ca.crt", "--fetch-crl", far.host, "--crl-cache", "nowhere").refused("nowhere", "make that directory")


def test_a_list_that_cannot_be_kept_counts_all_the_same(far, tmp_path):
    (tmp_path / "cache").mkdir()
    with serve(tmp_path, far, "--crl-cache", "cache") as door:
        (tmp_path / "cache").rmdir()
        refused(door, client(tmp_path, "alice"), "client-cert-crl-missing")
        told = door.says(" crl-")
        assert " crl-not-kept: " in told and "cannot be kept in cache/" in told and "it counts until the server ends" in told
        assert f"changed: http://{far.host}/" in door.says(" reloaded: ")
        refused(door, client(tmp_path, "bob"), "client-cert-revoked")


def test_partitions_and_deltas_are_heeded(far, mutual, tmp_path, home):
    """Of two partitions each has its list, which is fetched for whoever belongs to it; and who is revoked only in the changes is."""
    mutual("crl", "--partitions", "2", "--deltas", "on").ok()
    parts = {}
    for i in range(20):
        mutual("issue", "client", f"client-{i}").ok()
        (url,) = mutual("inspect", "--json", f"client-{i}.crt").json()["objects"][0]["crl_urls"]
        parts.setdefault(url, f"client-{i}")
        if len(parts) == 2:
            break
    one, other = parts.values()
    mutual("crl").ok()
    far.answers.update({"/" + path.name: (200, {}, path.read_bytes())
                        for path in (home / "public").glob("*.crl") if "delta" not in path.name})
    mutual("revoke", one).ok()
    whole = next(url for url, name in parts.items() if name == one)
    changes = whole.replace(".crl", "-delta.crl")
    with serve(tmp_path, far) as door:
        refused(door, client(tmp_path, one), "client-cert-crl-missing")
        told = ""
        while whole not in told or changes not in told:  # either may come first
            told += door.says(" reloaded: ")
        refused(door, client(tmp_path, one), "client-cert-revoked")
        refused(door, client(tmp_path, other), "client-cert-crl-missing")
        door.says(next(url for url, name in parts.items() if name == other))
        assert is_let_in(door, client(tmp_path, other))
        refused(door, client(tmp_path, one), "client-cert-revoked")


# Where the table of hosts is a pipe that nobody writes to, so that no name has an answer.
NAMELESS = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", """
    test -p hosts || mkfifo hosts && echo "hosts: files" >names && mount --bind hosts /etc/hosts && mount --bind names /etc/nsswitch.conf &&
    exec "$@" """, "sh"]


def test_names_that_are_never_found_shut_nobody_out_and_hold_up_no_end(far, mutual, tmp_path):
    """getaddrinfo() cannot be called off. What other CAs have under names without an answer is nothing to who is asked for by a number."""
    if shutil.which("unshare") is None or subprocess.run([*NAMELESS, "true"], cwd=tmp_path, check=False,
                                                         capture_output=True).returncode != 0:
        pytest.skip("unshare cannot make mounts of its own here")
    lost = [f"name-{i}.example" for i in range(4)]
    for host in lost:
        mutual("crl", "--url", f"http://{host}/").ok()
        mutual("issue", "client", host).ok()
    far.host = far.host.replace("localhost", "127.0.0.1")
    mutual("crl", "--url", f"http://{far.host}/").ok()
    mutual("issue", "client", "carol").ok()
    with serve(tmp_path, far, *[word for host in lost for word in ("--fetch-crl", host)], prefix=NAMELESS) as door:
        for host in lost:
            refused(door, client(tmp_path, host), "client-cert-crl-missing")
        refused(door, client(tmp_path, "carol"), "client-cert-crl-missing")
        door.says(" reloaded: ")
        assert is_let_in(door, client(tmp_path, "carol"))
        assert door.stop() == 0
