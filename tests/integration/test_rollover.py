"""mutual ca rollover: a new root beside the old one, and a certificate of before and one of after that both verify, always."""
import re
import shutil
import signal
import subprocess

import pytest

from conftest import Mutual
from made import files, mode, openssl, public_key, text
from test_offline_root import Two, certificates, crls


def verifies(trust, chain):
    """In the eyes of openssl, GnuTLS (where it is there) and mutual, which has to be told nothing but the trust."""
    openssl("verify", "-x509_strict", "-CAfile", trust, "-untrusted", chain, chain)
    if shutil.which("certtool"):
        subprocess.run(["certtool", "--verify", "--load-ca-certificate", trust, "--infile", chain], check=True,
                       capture_output=True)


def is_refused(trust, chain):
    done = subprocess.run(["openssl", "verify", "-CAfile", trust, "-untrusted", chain, chain], capture_output=True,
                          check=False)
    return done.returncode != 0


class Home:
    """A CA in either shape: a root alone, or an issuing CA whose root's key is on a stick."""

    def __init__(self, cwd, *words):
        self.cwd, self.mutual, self.home = cwd, Mutual(cwd / "home", cwd), cwd / "home"
        self.issuing = "--issuing" in words
        self.mutual("init", "Example CA", *words).ok()
        self.stick = ["--root-key", "usb.key", "--root-key-out", "usb-2.key"] if self.issuing else []
        self.old = self.keep_root("old")

    def keep_root(self, name):
        path = self.cwd / f"{name}-root.crt"
        path.write_text(certificates(self.home / ("root.crt" if self.issuing else "ca.crt"))[0])
        return path

    def issue(self, name):
        self.mutual("issue", "server", name).ok()

    def all_verify(self, *names):
        trust = self.home / "trust.crt"
        trust = trust if trust.exists() else self.home / "ca.crt"
        for name in names:
            verifies(trust, self.cwd / f"{name}.crt")
            self.mutual("verify", f"{name}.crt", "--strict").ok()
            self.mutual("verify", f"{name}.crt", "--cacert", trust, home=self.cwd / "none").ok()

    def rollover(self, *words, **more):
        return self.mutual("ca", "rollover", *words, **more)


SHAPES = {"alone": [], "issuing": ["--issuing", "--root-key-out", "usb.key"]}


@pytest.fixture(params=SHAPES)
def ca(request, tmp_path):
    """It has issued `before`."""
    ca = Home(tmp_path, *SHAPES[request.param])
    ca.issue("before")
    return ca


def test_a_certificate_of_before_and_one_of_after_verify_at_every_point(ca):
    ca.all_verify("before")
    assert "no rollover is under way" in ca.rollover("status").ok().stdout
    told = ca.rollover("start", *ca.stick).ok()
    assert "begun" in told.stdout and "1 in use, to the old root alone" in told.stdout
    new = ca.keep_root("new")
    assert len(certificates(ca.home / "trust.crt")) == 2
    ca.all_verify("before")
    ca.issue("after")
    ca.all_verify("before", "after")

    # Who knows only one of the roots can follow: by what the leaf carries, and by cross.crt.
    openssl("verify", "-x509_strict", "-CAfile", ca.old, "-untrusted", ca.cwd / "after.crt", ca.cwd / "after.crt")
    verifies(new, ca.cwd / "after.crt")
    helped = ca.cwd / "helped.crt"
    helped.write_text((ca.cwd / "before.crt").read_text() + (ca.home / "cross.crt").read_text())
    assert is_refused(new, ca.cwd / "before.crt")
    openssl("verify", "-x509_strict", "-CAfile", new, "-untrusted", helped, helped)

    ca.rollover("finish").refused("1 certificate that is still in use chains only to the old root", "before", "--force")
    assert len(certificates(ca.home / "trust.crt")) == 2
    ca.mutual("renew", "before.crt", "--force").ok()
    ca.all_verify("before", "after")
    assert ca.rollover("finish", "--json").ok().json()["in_use"] == 0
    assert certificates(ca.home / "trust.crt") == certificates(new)
    ca.issue("later")
    ca.all_verify("before", "after", "later")
    assert certificates(ca.cwd / "later.crt")[1:] == (certificates(ca.home / "ca.crt") if ca.issuing else [])
    assert not (ca.home / "cross.crt").exists()
    ca.mutual("audit", "verify").ok()
    assert re.findall("(begun|finished): ", ca.mutual("audit").ok().stdout) == ["begun", "finished"]


def test_the_new_root_is_like_the_old_one(ca):
    ca.rollover("start", *ca.stick, "--days", 1000).ok()
    new = ca.keep_root("new")
    for part in (r"Subject: .*", r"Basic Constraints: critical\n.*", r"Key Usage: critical\n.*"):
        assert re.search(part, text(new)).group() == re.search(part, text(ca.old)).group()
    assert public_key(new, "x509") != public_key(ca.old, "x509")
    key = ca.cwd / "usb-2.key" if ca.issuing else ca.home / "ca.key"
    assert public_key(key, "pkey") == public_key(new, "x509") and mode(key) == 0o600
    assert "in 1000 days" in ca.mutual("inspect", new).stdout or "in 2 years" in ca.mutual("inspect", new).stdout
    assert public_key(ca.home / "ca.crt", "x509") == public_key(ca.home / "ca.key", "pkey")
    former = {} if ca.issuing else {public_key(path, "pkey") for path in ca.home.glob("ca-*.key")}
    assert ca.issuing or former == {public_key(ca.old, "x509")}


def test_status_counts_what_is_in_use(ca):
    for name in ("revoked", "renewed", "short"):
        ca.issue(name)
    state = ca.rollover("status", "--json").ok().json()
    assert (state["under_way"], state["old_roots"], state["since"], state["last_end"]) == (False, [], None, None)
    ca.rollover("start", *ca.stick).ok()
    state = ca.rollover("status", "--json").ok().json()
    assert (state["under_way"], state["in_use"], state["moved"]) == (True, 4, 0)
    ca.mutual("revoke", "revoked").ok()
    ca.mutual("renew", "renewed.crt", "--force").ok()
    ca.issue("fresh")
    state = ca.rollover("status", "--json").ok().json()
    assert (state["in_use"], state["moved"], sorted(state["names"])) == (2, 2, ["before", "short"])
    assert len(state["old_roots"]) == 1 and state["root"]["sha256"] != state["old_roots"][0]["sha256"]
    assert "2 in use" in ca.rollover("status").ok().stdout
    forced = ca.rollover("finish", "--force").ok()
    assert "2 certificates in use are left behind" in forced.stderr
    assert "2 in use left behind" in ca.mutual("audit").stdout
    assert is_refused(ca.home / "trust.crt", ca.cwd / "before.crt")


def test_what_was_issued_before_can_be_revoked_during_and_after(ca):
    for name in ("gone", "gone-too"):
        ca.issue(name)
    ca.rollover("start", *ca.stick).ok()
    ca.mutual("revoke", "gone").ok()
    assert crls(ca.home / "ca.crl") == (3 if ca.issuing else 2), "the roots' own; the former CA's"

    def judged(name):
        return ca.mutual("verify", f"{name}.crt", "--crl", ca.home / "ca.crl").stdout.split(":")[0]

    ca.issue("after")
    assert [judged(name) for name in ("before", "gone", "after")] == ["good", "refused", "good"]
    ca.mutual("revoke", "after").ok()
    assert judged("after") == "refused"
    for name, said in (("gone", "revoked"), ("before", "good"), ("after", "revoked")):
        ca.mutual("ocsp", "request", f"{name}.crt", "--out", "q", "--force").ok()
        ca.mutual("ocsp", "answer", "q", "--out", "a", "--force").ok()
        issuer = ca.cwd / "issuer.crt"
        issuer.write_text(certificates(ca.cwd / f"{name}.crt")[1] if ca.issuing else (
            (ca.home / "trust.crt" if name == "after" else ca.old).read_text()))
        answer = openssl("ocsp", "-no_nonce", "-respin", ca.cwd / "a", "-issuer", issuer, "-cert", ca.cwd / f"{name}.crt",
                         "-CAfile", ca.home / "trust.crt", "-verify_other", issuer)
        assert f": {said}\n" in answer, answer
        assert said in ca.mutual("ocsp", "read", "a", "--cert", f"{name}.crt").stdout, name
    ca.mutual("renew", "before.crt", "--force").ok()
    ca.rollover("finish", "--force").ok()
    ca.mutual("revoke", "gone-too").ok()
    serial = openssl("x509", "-in", ca.cwd / "gone-too.crt", "-noout", "-serial").strip().split("=")[1]
    lists = re.findall("-----BEGIN X509 CRL.*?END X509 CRL-----\n", (ca.home / "ca.crl").read_text(), re.S)
    assert any(serial in openssl("crl", "-noout", "-text", input=one.encode()) for one in lists)


def test_what_cannot_be_is_refused(ca):
    before = {name: (ca.home / name).read_bytes() for name in files(ca.home) if "mutual.db" not in name}
    ca.rollover("finish").refused("no rollover is under way", "mutual ca rollover start")
    ca.rollover("stop").refused("start, status or finish", code=2)
    ca.rollover("status", "--days", 5).refused("--days", code=2)
    ca.rollover("start", "--force").refused("--force", code=2)
    ca.rollover("start", "--key-type", "dsa").refused("p256", code=2)
    Mutual(ca.cwd / "none", ca.cwd)("ca", "rollover", "status").refused("there is no CA")
    if ca.issuing:
        ca.rollover("start").refused("the key of the root", "--root-key", "mutual ca request")
        ca.rollover("start", "--root-key", "usb.key").refused("--root-key-out", code=2)
        ca.rollover("start", "--root-key", "usb.key", "--root-key-out", "usb.key").refused("usb.key")
        ca.rollover("start", "--root-key", "before.key", "--root-key-out", "new").refused("does not belong")
    else:
        ca.rollover("start", "--root-key-out", "new").refused("is the root itself", code=2)
    assert {name: (ca.home / name).read_bytes() for name in before} == before and not (ca.cwd / "new").exists()
    ca.rollover("start", *ca.stick).ok()
    more = ["--root-key", "usb-2.key", "--root-key-out", "usb-3.key"] if ca.issuing else []
    ca.rollover("start", *more).refused("under way already", "finish")


def test_roots_follow_one_another(ca):
    """Another rollover after the first: the former keys of both stay for their lists."""
    ca.rollover("start", *ca.stick).ok()
    ca.mutual("renew", "before.crt", "--force").ok()
    ca.rollover("finish").ok()
    ca.rollover("start", *(["--root-key", "usb-2.key", "--root-key-out", "usb-3.key"] if ca.issuing else [])).ok()
    ca.issue("after")
    ca.all_verify("before", "after")
    ca.rollover("finish").refused("before")
    ca.mutual("renew", "before.crt", "--force").ok()
    ca.rollover("finish").ok()
    ca.all_verify("before", "after")
    ca.mutual("crl").ok()
    assert ca.issuing or crls(ca.home / "ca.crl") == 3


def test_a_root_in_the_home_leaves_its_key_there(tmp_path):
    ca = Home(tmp_path, "--issuing")
    ca.issue("before")
    old = (ca.home / "root.key").read_bytes()
    ca.rollover("start").ok()
    assert [path.read_bytes() for path in ca.home.glob("root-*.key")] == [old]
    assert public_key(ca.home / "root.key", "pkey") == public_key(ca.home / "root.crt", "x509")
    assert all(mode(path) == 0o600 for path in ca.home.glob("*.key"))
    ca.all_verify("before")


def test_protected_keys_have_protected_successors(tmp_path):
    (tmp_path / "secret").write_text("correct horse\n")
    secret = ["--passphrase-file", "secret"]
    ca = Home(tmp_path, *secret)
    ca.mutual("issue", "server", "before", *secret).ok()
    ca.rollover("start", *secret).ok()
    assert all("ENCRYPTED" in path.read_text() for path in ca.home.glob("ca*.key"))
    ca.mutual("issue", "server", "after", *secret).ok()
    ca.all_verify("before", "after")
    ca.mutual("revoke", "before", *secret).ok()
    ca.rollover("finish", *secret).ok()
    (tmp_path / "new").write_text("battery staple\n")
    ca.mutual("ca", "passwd", *secret, "--new-passphrase-file", "new").ok()
    ca.mutual("crl", "--passphrase-file", "new").ok()


def test_the_root_is_rolled_over_on_its_machine_and_the_ca_below_follows(tmp_path):
    two = Two(tmp_path)
    two.renew(name="Example CA")
    two.online("issue", "server", "before").ok()
    two.root("ca", "rollover", "start").ok()
    assert two.root("ca", "rollover", "status", "--json").ok().json()["names"] == ["Example CA"]
    two.root("ca", "rollover", "finish").refused("1 certificate that is still in use")
    told = two.renew()
    assert "the root is another one" in told.stderr and "rollover status" in told.stdout
    two.online("issue", "server", "after").ok()
    trust = two.online.home / "trust.crt"
    assert len(certificates(trust)) == 2
    for name in ("before", "after"):
        verifies(trust, tmp_path / f"{name}.crt")
        two.online("verify", f"{name}.crt", "--strict").ok()
    assert two.online("ca", "rollover", "status", "--json").ok().json()["names"] == ["before"]
    two.root("ca", "rollover", "finish").ok()
    two.online("ca", "rollover", "finish").refused("before")
    two.online("renew", "before.crt", "--force").ok()
    two.online("ca", "rollover", "finish").ok()
    assert (trust.read_text(), certificates(tmp_path / "before.crt")[2:]) == ((two.root.home / "ca.crt").read_text(), [
        certificates(tmp_path / "before.crt")[2]])
    two.online("issue", "server", "later").ok()
    for name in ("before", "after", "later"):
        verifies(trust, tmp_path / f"{name}.crt")
    assert len(certificates(tmp_path / "later.crt")) == 2


def kill_after(started, delay_ms):
    try:
        started.wait(delay_ms / 1000)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGKILL)
        started.wait()


@pytest.mark.parametrize("delay_ms", [1, 3, 5, 7, 9, 12])
def test_one_that_is_killed_leaves_the_old_state_or_the_new(ca, delay_ms):
    """Whole in either case; and it can be said again."""
    kill_after(ca.mutual.start("ca", "rollover", "start", *ca.stick), delay_ms)
    ca.mutual("audit", "verify").ok()
    assert public_key(ca.home / "ca.crt", "x509") == public_key(ca.home / "ca.key", "pkey")
    ca.issue("meanwhile")
    ca.all_verify("before", "meanwhile")
    if not ca.rollover("status", "--json").ok().json()["under_way"]:
        (ca.cwd / "usb-2.key").unlink(missing_ok=True)
        ca.rollover("start", *ca.stick).ok()
    ca.issue("after")
    ca.all_verify("before", "meanwhile", "after")
    for name in ("before", "meanwhile"):
        ca.mutual("renew", f"{name}.crt", "--force").ok()
    kill_after(ca.mutual.start("ca", "rollover", "finish"), delay_ms)
    ca.all_verify("before", "meanwhile", "after")
    if ca.rollover("status", "--json").ok().json()["under_way"]:
        ca.rollover("finish").ok()
    ca.issue("later")
    ca.all_verify("before", "meanwhile", "after", "later")
    ca.mutual("audit", "verify").ok()


def test_a_machine_with_the_records_and_the_former_files_is_not_told_of_tampering_alone(ca):
    former = {name: (ca.home / name).read_bytes() for name in ("ca.crt", "ca.key")}
    ca.rollover("start", *ca.stick).ok()
    ca.mutual("crl").ok()
    for name, data in former.items():
        (ca.home / name).write_bytes(data)
    ca.mutual("audit", "verify").refused("not by the present CA certificate, but by another of this CA", "same files")


def test_one_whose_lists_cannot_follow_says_that_it_has_begun_and_what_is_left_to_do(ca):
    """Said again it would be refused: it is under way."""
    (ca.home / "ca.crl").mkdir()
    shown = ca.rollover("start", *ca.stick).refused("ca.crl")
    assert "are in place" in shown.stderr and "mutual crl" in shown.stderr, shown
    assert ca.rollover("status", "--json").ok().json()["under_way"]
    (ca.home / "ca.crl").rmdir()
    ca.mutual("crl").ok()
    ca.mutual("audit", "verify").ok()
    ca.all_verify("before")


def test_a_new_root_whose_key_goes_elsewhere_leaves_the_old_ones_under_its_own_name_alone(tmp_path):
    """What is called root.key would be taken for the key of root.crt."""
    ca = Home(tmp_path, "--issuing")
    old = public_key(ca.home / "root.key", "pkey")
    ca.rollover("start", "--root-key-out", "usb.key").ok()
    assert not (ca.home / "root.key").exists()
    kept, = ca.home.glob("root-*.key")
    assert public_key(kept, "pkey") == old != public_key(tmp_path / "usb.key", "pkey")
    ca.rollover("finish", "--force").ok()
    ca.rollover("start").refused("name it with --root-key FILE")
    ca.rollover("start", "--root-key", "usb.key", "--root-key-out", "usb-2.key").ok()
